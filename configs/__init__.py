"""Experiments, one a file: `get_config` gives values, `build` gives objects."""
