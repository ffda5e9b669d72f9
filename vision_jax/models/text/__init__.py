"""Models that read text: towers, and nets of a tower and one for images."""
