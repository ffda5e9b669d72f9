"""Results as tables: `python -m benchmarks.report`."""
