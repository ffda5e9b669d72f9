"""Our models beside the same of others: `python -m benchmarks.compare`."""
