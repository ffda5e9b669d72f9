"""From sources to what an experiment takes, a pipeline for each task."""
