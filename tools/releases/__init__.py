"""Prepares releases: tests the wheel on every Python with the lowest and newest dependencies, and checks tags."""
