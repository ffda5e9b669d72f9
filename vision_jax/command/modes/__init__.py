"""The modes, one a file: a frozen `Mode` with its flags, its check, its run.

A file here is a mode. It is read for --help, so it imports jax, and what needs
it, only where it runs.
"""
