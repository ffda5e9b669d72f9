"""Building blocks of models. Fields are hyperparameters; NHWC throughout."""
