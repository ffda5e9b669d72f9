"""A research codebase for computer vision in JAX and Flax Linen."""

__version__ = "0.1.0"
