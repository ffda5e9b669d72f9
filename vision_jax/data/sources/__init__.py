"""Data sets, a file for each layout or format."""
