"""A run that is not finite, looked into: which operation, in which line."""
