"""Curves of what nets withstand: `python -m benchmarks.robustness`."""
