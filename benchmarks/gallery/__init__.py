"""What short runs of our configs draw: `python -m benchmarks.gallery`."""
