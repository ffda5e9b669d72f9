"""Pixels that take on the style of another image: no net is trained."""
