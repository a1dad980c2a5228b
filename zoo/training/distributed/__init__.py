"""Strategies for training on several GPUs or machines; nothing in this package knows a model or the loop."""
