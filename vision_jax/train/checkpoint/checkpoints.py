"""Checkpoints of a run, by orbax: saved asynchronously, restored exactly.

A folder of steps. Each holds `state` (the arrays, as nested dicts), `extra`
(JSON of the caller) and `metrics`. A step appears in the folder only once it is
whole, so that a run killed in the middle of a save resumes from the one before.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import jax
from etils import epath
from jax.experimental.multihost_utils import sync_global_devices

from vision_jax.files import replace_text
from vision_jax.train.checkpoint import tree
from vision_jax.train.checkpoint.errors import (
  CheckpointError,
  CheckpointMismatch,
  SaveError,
  reason,
)
from vision_jax.train.checkpoint.quiet import quiet_orbax
from vision_jax.train.checkpoint.reading import StoredState, first_readable
from vision_jax.train.checkpoint.retention import (
  Rule,
  drop_damaged_metrics,
  drop_leftovers,
  finite,
  open_manager,
  set_aside,
)

__all__ = ["CheckpointError", "CheckpointMismatch", "Checkpoints", "SaveError"]

T = TypeVar("T")
RESUME_FIX = (
  "resume with the config that this run was started with, or train the new "
  "model in a new --workdir."
)


class Checkpoints:
  """The checkpoints of one run. Every process calls every method.

  The newest step is always kept, with the `keep_best` best ones and every one
  whose step divides by `keep_every`; this holds across resumes too.

  Attributes:
    folder: where the steps are; may be on an object store (gs://...).
    damaged: steps that the last `restore` could not read and skipped.
  """

  def __init__(
    self,
    folder: epath.PathLike,
    *,
    best: tuple[str, str] | None = ("val/accuracy", "max"),
    keep_best: int = 1,
    keep_every: int | None = None,
    read_only: bool = False,
  ):
    """Opens the folder, and removes what an interrupted save left there.

    Args:
      folder: created if missing, unless `read_only`.
      best: (metric, "max" or "min") by which steps are compared, or None.
      keep_best: how many of the best steps to keep.
      keep_every: steps divisible by this are kept for good.
      read_only: neither create, save, clean up nor set aside: what evaluation
        needs beside a run that is still training.

    Raises:
      ValueError: on an order other than "max" and "min", or counts below 1.
    """
    self._rule = Rule(best, keep_best, keep_every)
    self.folder = epath.Path(folder)
    self.damaged: tuple[int, ...] = ()
    self._read_only = read_only
    quiet_orbax()
    if not read_only:
      drop_damaged_metrics(self.folder)
    self._manager = open_manager(self.folder, self._rule, read_only=read_only)

  @property
  def steps(self) -> list[int]:
    """The saved steps, oldest first (one still being written included)."""
    return sorted(self._manager.all_steps())

  @property
  def latest(self) -> int | None:
    """The newest step, None without checkpoints."""
    return max(self.steps, default=None)

  @property
  def best(self) -> int | None:
    """The best measured step, the later of equals; None if none is measured."""
    self.wait()
    return next(reversed(self._rule.ranked(self._scores())), None)

  def _scores(self) -> dict[int, float]:
    """The compared metric of each step, not finite where it has none."""
    scores = {}
    for step in self.steps:
      try:
        scores[step] = self._rule.score(self._manager.metrics(step))
      except ValueError:  # damaged while it was being read
        scores[step] = math.nan
    return scores

  def save(
    self,
    step: int,
    state: Any,
    metrics: Mapping[str, float] | None = None,
    extra: Mapping[str, Any] | None = None,
    *,
    donated: bool = True,
  ) -> bool:
    """Starts to save `state`, which may be donated as soon as this returns.

    Waits for the save before, whose error surfaces here.

    Args:
      step: the state's step.
      state: any pytree of arrays, typed keys included.
      metrics: values to choose the best by, from this or an earlier step;
        those that are not finite count as not measured.
      extra: JSON to keep beside it: the batch size, the seed.
      donated: whether it may be; of what stays no copy is made.

    Returns:
      False, without writing, if the newest checkpoint is of this very step.

    Raises:
      SaveError: if this save or the one before fails; older steps stay.
      CheckpointError: if there is a checkpoint of a later step.
    """
    import orbax.checkpoint as ocp

    self.wait()
    if self.latest is not None and step <= self.latest:
      if step == self.latest:
        return False
      raise CheckpointError(
        f"{self.folder} has a checkpoint of step {self.latest}; got step "
        f"{step} to save, expected a later one. Fix: resume from the newest "
        "checkpoint, or use a new --workdir."
      )
    apart = tree.apart if donated else lambda arrays: arrays
    args = ocp.args.Composite(
      state=ocp.args.PyTreeSave(apart(tree.to_stored(state))),
      extra=ocp.args.JsonSave(dict(extra or {})),
    )
    tracked = finite(metrics or {}) if self._rule.best else None
    try:
      return self._manager.save(step, args=args, metrics=tracked, force=True)
    except Exception as error:
      raise self._save_error(step, error) from error

  def measure(self, step: int, metrics: Mapping[str, float]) -> None:
    """Replaces the newest step's metrics by those measured only later.

    A step that was the best until then goes, unless it is kept for more.
    """
    if self._rule.best is None:
      return
    self.wait()
    if jax.process_index() == 0:
      text = json.dumps(finite(metrics))
      replace_text(self.folder / str(step) / "metrics" / "metrics", text)
    sync_global_devices("checkpoint measured")
    self._manager.reload()
    dropped = {*self.steps} - self._rule.kept(self._scores())
    sync_global_devices("checkpoints listed")  # by all, before any step goes
    for old in sorted(dropped):
      self._manager.delete(old)

  def wait(self) -> None:
    """Waits for the save in progress.

    Raises:
      SaveError: if it fails; raised once, and older steps stay.
    """
    step = self.latest
    try:
      self._manager.wait_until_finished()
    except Exception as error:
      raise self._save_error(step, error) from error

  def _save_error(self, step: int, error: Exception) -> SaveError:
    """Returns the error to raise, after removing what the save left behind."""
    self._manager.reload()
    if jax.process_index() == 0:
      drop_leftovers(self.folder, step)
    good = self.latest
    kept = "no checkpoint exists yet"
    if good is not None:
      kept = f"step {good} is the last good checkpoint and stays"
    return SaveError(
      f"saving step {step} to {self.folder} failed: {reason(error)}; {kept}. "
      "Fix: free space there (or raise the quota), then run the same command "
      "to resume."
    )

  def restore(
    self, like: T, which: str | int = "latest"
  ) -> tuple[T, dict[str, Any]]:
    """Returns (state, extra) of a checkpoint.

    With "latest", a newest step that cannot be read is skipped for the one
    before, with a warning; `damaged` lists the skipped ones. They are renamed
    to damaged-STEP, so that the run can save those steps again.

    Args:
      like: a pytree of the expected arrays, or of `jax.ShapeDtypeStruct` with
        shardings; any mesh and any number of devices or processes.
      which: "latest", "best" or a step.

    Raises:
      CheckpointMismatch: if shapes, dtypes or names are not those of `like`.
      CheckpointError: if there is no such checkpoint or it cannot be read.
    """
    self.wait()
    found = self.find(which)
    steps = self.steps[::-1] if which == "latest" else [found]
    restored, self.damaged = first_readable(
      self.folder, steps, lambda step: self._restore(step, like)
    )
    self._set_aside(self.damaged)
    return restored

  def find(self, which: str | int) -> int:
    """Returns the step that "latest", "best" or a number stands for.

    Raises:
      CheckpointError: if there is none.
    """
    step = {"latest": lambda: self.latest, "best": lambda: self.best}.get(
      which, lambda: int(which) if str(which).isdigit() else None
    )()
    if step in self.steps:
      return step
    have = f"it has steps {self.steps}" if self.steps else "it has none"
    raise CheckpointError(
      f"no checkpoint {which!r} in {self.folder}; {have}. Fix: name one of "
      "these, 'latest' or (where a run measures it) 'best'."
    )

  def _restore(self, step: int, like: T) -> tuple[T, dict[str, Any]]:
    import orbax.checkpoint as ocp

    where = self.folder / str(step)
    state = StoredState(where)
    wanted = tree.named(like)
    tree.check_same(state.tree, wanted, where=where, fix=RESUME_FIX)
    extra = self._manager.restore(
      step, args=ocp.args.Composite(extra=ocp.args.JsonRestore())
    )["extra"]
    return tree.from_stored(like, state.read(wanted)), dict(extra)

  def _set_aside(self, steps: Iterable[int]) -> None:
    """Renames damaged steps, out of the way of the run that saves them anew."""
    if not steps or self._read_only:
      return
    if jax.process_index() == 0:
      set_aside(self.folder, steps)
    sync_global_devices("checkpoints set aside")
    self._manager.reload()

  def close(self) -> None:
    """Waits for the save in progress and frees the threads.

    Raises:
      SaveError: if that save fails.
    """
    try:
      self.wait()
    finally:
      self._manager.close()

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, *_: object) -> None:
    self.close()
