"""The same step on more devices and processes: `python -m benchmarks.scale`."""
