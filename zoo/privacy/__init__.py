"""Finds what a file reveals about its maker, for `zoo inspect --private`. Files are only read, never run."""
