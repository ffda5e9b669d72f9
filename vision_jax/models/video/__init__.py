"""Classifiers of clips: space and time, together or one after the other."""
