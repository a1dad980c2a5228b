"""Picture files and cameras: formats, orientation, memory, and the way to a model's input."""
