"""What a trained workdir is for: figures, predictions, samples."""
