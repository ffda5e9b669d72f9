"""Before deep learning, beside it: `python -m benchmarks.classical`."""
