"""Training on several GPUs of one machine, or on several machines."""
