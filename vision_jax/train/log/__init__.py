"""What a run tells: figures to files and the screen, and its manifest."""
