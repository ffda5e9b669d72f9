"""The checkpoints of a run that keeps nothing."""

from typing import Any


class Unsaved:
  """Stands where `Checkpoints` do, without a folder: there is never one."""

  latest = None

  def save(self, *_: Any) -> bool:
    """Saves nothing, and says so."""
    return False

  def measure(self, *_: Any) -> None:
    """Has no step whose metrics it could keep."""

  def wait(self) -> None:
    """Has nothing to wait for."""
