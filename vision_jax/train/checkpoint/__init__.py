"""Checkpoints of a run: written whole, read exactly, kept as asked."""
