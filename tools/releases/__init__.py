"""Releases: the wheel on every Python and with the lowest and newest dependencies, and what a tag has to agree with."""
