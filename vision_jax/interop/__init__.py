"""Weights of others in, ours out: files, names, families, preprocessing."""
