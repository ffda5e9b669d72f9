"""Classifiers, and what other models read features from."""
