"""How fast this machine runs it: `python -m benchmarks.speed`."""
