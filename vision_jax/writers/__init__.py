"""Predictions as files, one form each."""
