"""Which checkpoints a run keeps, and orbax's manager set up to keep them."""

import contextlib
import json
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
from etils import epath

from vision_jax.errors import UserError

_LOG = logging.getLogger(__name__)


def score(metrics: Mapping[str, float] | None, best: tuple[str, str]) -> float:
  """The compared metric; the worst value where it was not measured."""
  name, mode = best
  worst = -math.inf if mode == "max" else math.inf
  return (metrics or {}).get(name, worst)


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
  """Those that count as measured."""
  return {name: float(x) for name, x in metrics.items() if math.isfinite(x)}


def check_options(
  best: tuple[str, str] | None, keep_best: int, keep_every: int | None
) -> None:
  """Raises ValueError on an unknown order, or counts below 1."""
  if best is not None and best[1] not in ("max", "min"):
    raise UserError(f"best: got order {best[1]!r}; expected 'max' or 'min'.")
  if keep_best < 1 or (keep_every is not None and keep_every < 1):
    raise UserError(
      f"got keep_best={keep_best}, keep_every={keep_every}; expected 1 or "
      "more (keep_every=None keeps no regular ones)."
    )


def ranked(scores: Mapping[int, float], order: str) -> list[int]:
  """Returns the measured steps from the worst on, of equals the later last.

  Args:
    scores: step -> the compared metric, not finite where it was not measured.
    order: "max" or "min".
  """
  sign = 1 if order == "max" else -1
  measured = [(sign * x, s) for s, x in scores.items() if math.isfinite(x)]
  return [step for _, step in sorted(measured)]


def outlived(
  scores: Mapping[int, float],
  order: str,
  keep_best: int,
  keep_every: int | None,
) -> list[int]:
  """Returns the steps that nothing keeps once the newest one is measured.

  Args:
    scores: of all steps, as for `ranked`.
    order: "max" or "min".
    keep_best: how many of the best to keep.
    keep_every: steps divisible by this are kept for good.
  """
  kept = {max(scores), *ranked(scores, order)[-keep_best:]}
  kept |= {s for s in scores if keep_every and s % keep_every == 0}
  return [s for s in scores if s not in kept]


def open_manager(
  folder: epath.Path,
  *,
  best: tuple[str, str] | None,
  keep_best: int,
  keep_every: int | None,
  read_only: bool,
) -> Any:
  """Returns orbax's manager of a folder of checkpoints.

  Its own `max_to_keep` with a `best_fn` would drop the newest checkpoint, and
  its `BestN` keeps every unmeasured one unless it is told not to.
  """
  import orbax.checkpoint as ocp  # 0.2 s that --help need not pay

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
    preservation_policy=_policy(best, keep_best, keep_every),
    best_fn=None if best is None else lambda metrics: score(metrics, best),
    best_mode="max" if best is None else best[1],
  )
  return ocp.CheckpointManager(
    folder, options=options, handler_registry=registry
  )


def _policy(best, keep_best, keep_every):
  """The newest, the best ones and the regular ones."""
  from orbax.checkpoint.checkpoint_managers import preservation_policy as keep

  policies = [keep.LatestN(1)]
  if best is not None:
    policies.append(
      keep.BestN(
        get_metric_fn=lambda metrics: score(metrics, best),
        reverse=best[1] == "min",
        n=keep_best,
        keep_checkpoints_without_metrics=False,
      )
    )
  if keep_every is not None:
    policies.append(keep.EveryNSteps(keep_every))
  return keep.AnyPreservationPolicy(policies)


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
