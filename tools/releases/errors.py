"""The one error of these tools."""


class ReleaseError(Exception):
    """Something that is missing or does not agree; one message for people."""
