"""The error of these tools."""


class ReleaseError(Exception):
    """Something that is missing or does not agree; the message is one line for the user."""
