"""Images of data and predictions: numpy in, numpy out."""
