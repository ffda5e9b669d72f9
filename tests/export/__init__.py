"""Tests of `vision_jax/export`."""
