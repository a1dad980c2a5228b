"""Checks what an export made: on which examples, by which answers, and what can be done about a loss."""
