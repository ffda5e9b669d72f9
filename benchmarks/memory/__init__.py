"""What a step needs of a device: `python -m benchmarks.memory`."""
