"""Shows a model: the table of its layers, its blocks, a drawing of them, and its graph in Netron."""
