"""Data sets by name, a file for what their examples have beside an image."""
