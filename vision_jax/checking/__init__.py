"""What is in a folder of data, looked at without any training."""
