"""Executions by their names, and nets that are split over devices."""
