"""Nets that give a class to each frame of a sequence."""
