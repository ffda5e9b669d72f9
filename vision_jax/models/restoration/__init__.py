"""Nets that map images to cleaner or larger ones of the same channels."""
