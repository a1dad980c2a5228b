"""Files: written whole or not at all, read within bounds, and the places where they lie."""
