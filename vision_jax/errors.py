"""The errors that the command tells in a message instead of a traceback.

Two kinds. What a user gave (flags, values of a config, files) raises a
`UserError`: the command prints it and ends with exit code 2. A run that fails
for reasons of its own (not finite, a full disk, out of memory) raises a
`RunFailure`: exit code 3. Everything else is a programmer's error, keeps its
traceback and ends with exit code 1. Every part may import this file, which
imports nothing of ours.
"""


class UserError(ValueError):
  """Something given cannot be used: what, got, expected and how to fix it."""


class RunFailure(RuntimeError):
  """A run that cannot go on, though what was given is right."""
