"""What a GPU gains: python -m benchmarks.gpu (see __main__.py)."""
