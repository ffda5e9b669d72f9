"""Losses, one value for each example; none reduces over the batch."""
