"""Nets that redraw images, and nets that judge them patch by patch."""
