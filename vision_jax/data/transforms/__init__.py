"""Host transforms of examples, a file for what they move."""
