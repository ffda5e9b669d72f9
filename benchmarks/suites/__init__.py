"""The rows, a file for each kind of task."""
