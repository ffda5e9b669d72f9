"""Running an experiment: loop, evaluation, checkpoints, logs."""
