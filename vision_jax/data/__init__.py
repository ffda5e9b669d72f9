"""Data in numpy, without jax: sources, host transforms and the loader."""
