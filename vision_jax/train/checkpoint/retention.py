"""Which checkpoints a run keeps, and orbax's manager set up to keep them."""

import contextlib
import dataclasses
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
from etils import epath

from vision_jax.errors import UserError

if TYPE_CHECKING:  # 0.2 s that --help need not pay
  import orbax.checkpoint as ocp

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Rule:
  """Keeps the newest step, the best ones, and one every so many steps.

  Attributes:
    best: (metric, "max" or "min") by which steps are compared, or None.
    keep_best: how many of the best steps to keep, the later of equals.
    keep_every: steps divisible by this are kept for good; None for none.

  Raises:
    UserError: on an order other than "max" and "min", or counts below 1.
  """

  best: tuple[str, str] | None
  keep_best: int = 1
  keep_every: int | None = None

  def __post_init__(self):
    if self.best is not None and self.best[1] not in ("max", "min"):
      raise UserError(
        f"best: got order {self.best[1]!r}; expected 'max' or 'min'."
      )
    every = self.keep_every
    if self.keep_best < 1 or (every is not None and every < 1):
      raise UserError(
        f"got keep_best={self.keep_best}, keep_every={every}; expected 1 or "
        "more (keep_every=None keeps no regular ones)."
      )

  def score(self, metrics: Mapping[str, float] | None) -> float:
    """Returns the compared metric; not finite where it was not measured."""
    name = self.best[0] if self.best else ""
    return (metrics or {}).get(name, math.nan)

  def ranked(self, scores: Mapping[int, float]) -> list[int]:
    """Returns the measured steps from the worst on; `scores` is by step."""
    sign = -1 if self.best and self.best[1] == "min" else 1
    measured = [(sign * x, s) for s, x in scores.items() if math.isfinite(x)]
    return [step for _, step in sorted(measured)]

  def kept(self, scores: Mapping[int, float]) -> set[int]:
    """Returns the steps to keep out of those in `scores`."""
    every = self.keep_every
    regular = {step for step in scores if every and step % every == 0}
    best = self.ranked(scores)[-self.keep_best :]
    return {max(scores, default=0), *best} | regular

  def should_preserve(
    self, checkpoints: Sequence[Any], *, context: Any
  ) -> list[bool]:
    """Says it of each checkpoint, as orbax asks its `PreservationPolicy`."""
    kept = self.kept({c.step: self.score(c.metrics) for c in checkpoints})
    return [c.step in kept for c in checkpoints]


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
  """Those that count as measured."""
  return {name: float(x) for name, x in metrics.items() if math.isfinite(x)}


def open_manager(
  folder: epath.Path, rule: Rule, *, read_only: bool
) -> "ocp.CheckpointManager":
  """Returns orbax's manager of a folder of checkpoints."""
  import orbax.checkpoint as ocp

  registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
  text = ocp.JsonCheckpointHandler()
  registry.add("state", ocp.args.PyTreeSave, ocp.PyTreeCheckpointHandler())
  registry.add("extra", ocp.args.JsonSave, text)
  registry.add("extra", ocp.args.JsonRestore, text)
  options = ocp.CheckpointManagerOptions(
    create=not read_only,
    read_only=read_only,
    lightweight_initialize=read_only,
    save_interval_steps=0 if read_only else 1,
    cleanup_tmp_directories=not read_only,
    preservation_policy=rule,
    best_fn=rule.score if rule.best else None,  # has metrics be saved
  )
  return ocp.CheckpointManager(
    folder, options=options, handler_registry=registry
  )


def drop_damaged_metrics(folder: epath.Path) -> None:
  """Renames unreadable metrics: orbax reads them all when it opens."""
  if jax.process_index() != 0 or not folder.exists():
    return
  for file in folder.glob("*/metrics/metrics"):
    try:
      json.loads(file.read_text())
    except ValueError:
      file.rename(file.parent / "damaged")
      _LOG.warning("%s cannot be read: that step cannot be best.", file)


def drop_leftovers(folder: epath.Path, step: int) -> None:
  """Removes what a failed save of a step has left behind.

  A thread may still be writing there; the next run then removes the rest.
  """
  for left in folder.glob(f"{step}.*tmp*"):
    with contextlib.suppress(OSError):
      left.rmtree(missing_ok=True)


def set_aside(folder: epath.Path, steps: Iterable[int]) -> None:
  """Renames unreadable steps to damaged-STEP."""
  for step in steps:
    aside = folder / f"damaged-{step}"
    aside.rmtree(missing_ok=True)
    (folder / str(step)).rename(aside)
    _LOG.warning("Set the unreadable checkpoint aside as %s.", aside)
