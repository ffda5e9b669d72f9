"""Tests of `vision_jax/explain`."""
