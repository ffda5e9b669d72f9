"""Where a run's metrics go: the metrics file, TensorBoard, W&B, the screen."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from etils import epath

from vision_jax.report.tensorboard import TensorBoard
from vision_jax.report.wandb import WandB
from vision_jax.train.log.metrics_file import MetricsFile


class Sink(Protocol):
  """What a `Writer` hands metrics to."""

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Takes scalars by name."""

  def images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    """Takes images (h, w, c) by name."""

  def close(self) -> None:
    """Writes what is left."""


class Writer:
  """Hands metrics to every sink; without sinks it writes nothing.

  It is called as write(step, metrics) by the loop of every process, and has
  sinks in the first process only.
  """

  def __init__(self, sinks: Sequence[Sink] = ()):
    self._sinks = tuple(sinks)

  def __call__(self, step: int, values: Mapping[str, float]) -> None:
    """Writes scalars, `values` by name."""
    for sink in self._sinks:
      sink.write(step, values)

  def images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    """Writes images by name, (h, w, c): uint8, or float in [0, 1]."""
    for sink in self._sinks:
      if hasattr(sink, "images"):
        sink.images(step, images)

  def close(self) -> None:
    """Closes every sink, the later ones also if an earlier one fails."""
    sinks, self._sinks = self._sinks, ()
    with contextlib.ExitStack() as stack:
      for sink in reversed(sinks):
        stack.callback(sink.close)

  def __enter__(self) -> "Writer":
    return self

  def __exit__(self, *_: object) -> None:
    self.close()


def open_writer(
  workdir: epath.PathLike,
  *,
  start: int = 0,
  process_index: int = 0,
  wandb: str | None = None,
  config: Mapping[str, Any] | None = None,
  sinks: Sequence[Sink] = (),
) -> Writer:
  """Returns the writer of a run, after cutting its metrics back to `start`.

  Args:
    workdir: the run's folder.
    start: the step that this run begins from; what an earlier run wrote after
      it goes.
    process_index: every process but 0 gets a writer that writes nothing.
    wandb: project of Weights & Biases to log to.
    config: what W&B shows with the run.
    sinks: more to write to, such as a `Progress`.

  Raises:
    ValueError: if W&B is asked for and not installed.
  """
  if process_index != 0:
    return Writer()
  more = [] if wandb is None else [WandB(wandb, workdir, config)]
  file = MetricsFile(workdir)
  file.truncate_after(start)
  return Writer([file, *more, TensorBoard(workdir, start=start), *sinks])
