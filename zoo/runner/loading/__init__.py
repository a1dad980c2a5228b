"""Loads a model file: runtimes, delegates and providers, the trial of a file, and the session that runs it."""
