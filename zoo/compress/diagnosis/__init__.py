"""Diagnoses what 8 bits cost in each layer of a model, and says what to do about it."""
