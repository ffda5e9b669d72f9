"""Metrics over a data set: sums on the device, results on the host."""
