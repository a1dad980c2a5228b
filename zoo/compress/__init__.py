"""Makes a model smaller: what each layer loses in 8 bits, and what helps against it."""
