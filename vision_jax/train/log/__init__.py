"""What a run tells: metrics to files and the screen, and its manifest."""
