"""Rows as data, a runner, and a report: every number with its circumstances."""
