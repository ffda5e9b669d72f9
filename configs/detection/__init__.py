"""Detection experiments, one a file."""
