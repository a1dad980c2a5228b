"""The options that several commands share, and what they ask for, as values."""
