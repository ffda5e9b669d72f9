"""Equal forms of an operation, and which of them is traced where."""
