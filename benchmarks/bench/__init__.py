"""Code that the benchmarks share: rounds, processes, pictures, and the results as JSON and tables."""
