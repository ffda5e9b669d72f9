"""Schedules, and optimizers with masks by parameter path."""
