"""Models that say a class for each pixel."""
