"""Prunes a model: finds the channels that matter least, and rebuilds it without them."""
