"""Nets that see skeletons: joints over time."""
