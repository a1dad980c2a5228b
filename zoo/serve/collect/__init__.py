"""Collects pictures for a training: the folder of classes that a page fills, and its HTTP API."""
