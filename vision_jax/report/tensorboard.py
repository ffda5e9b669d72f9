"""Curves and images for TensorBoard, written without TensorFlow.

tensorboardX encodes and frames the events; its own writer is not used, since it
forks a queue and a thread off, and complains at exit when a run has failed.
"""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.files import is_remote, replace_bytes

FLUSH_SECONDS = 10.0


class TensorBoard:
  """Writes events.* files into the workdir; the first write imports.

  A run that resumes at `start` hides what an earlier one wrote after it.
  """

  def __init__(self, workdir: epath.PathLike, *, start: int = 0):
    """Remembers where to write.

    Args:
      workdir: the run's folder; gs:// needs the google-cloud-storage package.
      start: the step that the run begins from.
    """
    self._folder = os.fspath(workdir)
    self._start = start
    self._file = None
    self._flushed = 0.0

  def _add(self, **event: Any) -> None:
    if self._file is None:
      self._open()
    self._file.write(_event(**event))
    if time.monotonic() - self._flushed > FLUSH_SECONDS:
      self._file.flush()
      self._flushed = time.monotonic()

  def _open(self) -> None:
    records = tensorboardx().record_writer
    name = f"events.out.tfevents.{int(time.time())}.{os.getpid()}"
    if not is_remote(self._folder):
      replace_bytes(f"{self._folder}/{name}", b"")  # a file, not a link
    self._file = records.RecordWriter(f"{self._folder}/{name}")
    self._file.write(_event(file_version="brain.Event:2"))
    if self._start:
      self._file.write(_event(step=self._start + 1, session_log={"status": 1}))

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Adds scalars, `values` by name; what is not finite leaves a gap."""
    values = {name: float(value) for name, value in values.items()}
    self._add(
      step=step,
      summary={
        "value": [
          {"tag": name, "simple_value": value}
          for name, value in values.items()
          if np.isfinite(value)
        ]
      },
    )

  def images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    """Adds images by name: (h, w, c) uint8, or float in [0, 1]; c is 1 or 3.

    Raises:
      UserError: if an image has another shape.
    """
    for name, image in images.items():
      image = np.asarray(image)
      if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise UserError(
          f"image {name!r}: got shape {image.shape}, expected (h, w, 1 or 3)."
        )
      if image.dtype != np.uint8:
        image = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
      summary = tensorboardx().summary
      self._add(
        step=step, summary=summary.image(name, image, dataformats="HWC")
      )

  def close(self) -> None:
    """Writes what is left."""
    if self._file is not None:
      self._file.flush()
      self._file.close()
      self._file = None


def _event(**fields: Any) -> bytes:
  """An encoded event of this moment."""
  event = tensorboardx().proto.event_pb2.Event
  return event(wall_time=time.time(), **fields).SerializeToString()


def tensorboardx() -> Any:
  """tensorboardX, without the torch (1.3 s) that it looks for."""
  hidden = "torch" not in sys.modules and "tensorboardX" not in sys.modules
  if hidden:
    sys.modules["torch"] = None
  try:
    import tensorboardX
    import tensorboardX.proto.event_pb2
    import tensorboardX.record_writer
    import tensorboardX.summary
  finally:
    if hidden:
      del sys.modules["torch"]
  return tensorboardX
