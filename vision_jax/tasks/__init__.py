"""Glue: a model, its losses and its outputs. One file a task."""
