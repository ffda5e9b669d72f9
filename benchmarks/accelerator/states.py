"""What can become of a measurement."""

MEASURED, ABSENT = "measured", "not run here"
FAILED, LATE = "failed", "out of time"
STATES = (MEASURED, ABSENT, FAILED, LATE)
DONE = (MEASURED, ABSENT)  # the others are tried again by the next call


class NotHere(Exception):
  """What is asked for cannot run here; says why."""
