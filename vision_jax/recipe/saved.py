"""What a workdir has kept of its config: config.json and config.py."""

import json
from collections.abc import Callable, Mapping
from typing import NotRequired, TypedDict

import jax
import ml_collections
import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.experiment import base_config
from vision_jax.recipe import places, trust
from vision_jax.recipe.values import Value, flat

Shapes = Mapping[str, jax.ShapeDtypeStruct]  # of a batch


class Saved(TypedDict):
  """The content of config.json.

  Attributes:
    format: see `versions`.
    path, variant: of the config file.
    sha256: the hash of the file's text.
    values: the config's values.
    batch: shape and type of each array of a training batch.
    changes: the values that changed when the run went on.
  """

  format: NotRequired[int]
  path: str
  variant: str
  sha256: str
  values: dict[str, object]
  batch: dict[str, list]
  changes: NotRequired[list[dict[str, object]]]


def saved_config(workdir: epath.Path) -> Saved | None:
  """Returns the content of a workdir's config.json, or None.

  Raises:
    UserError: if it is damaged.
  """
  path = workdir / "config.json"
  try:
    if not path.exists():
      return None
    saved = json.loads(path.read_text())
    kinds = {"path": str, "variant": str, "sha256": str, "values": dict}
    for key, kind in (kinds | {"batch": dict}).items():
      if not isinstance(saved, dict) or not isinstance(saved.get(key), kind):
        raise ValueError(f"it has no {key!r}")
  except (OSError, ValueError) as error:
    raise_damaged(workdir, error)
  return saved


def kept_source(
  workdir: epath.Path, saved: Saved, *, trusted: bool = False
) -> str:
  """Returns a workdir's copy of its config file.

  Raises:
    UserError: if it cannot be read, or is neither ours nor this user's.
  """
  file = workdir / "config.py"
  try:
    copy = file.read_text()
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
      f"{file} cannot be read ({error}); expected the config of the run. "
      "Restore it from a copy, or use another --workdir."
    ) from error
  if not trusted:
    trust.check(workdir, saved["path"], copy)
  return copy


def log_changed(
  workdir: epath.Path,
  saved: Saved,
  copy: str,
  log: Callable[[str], None],
) -> None:
  """Logs if a workdir's copy is no longer what the config file holds."""
  path = places.named(saved["path"])
  if not path.is_file():
    why = "is missing"
  elif path.read_bytes() != copy.encode():
    why = "has changed since"
  else:
    return
  log(f"{saved['path']} {why}: using the copy in {workdir}.")


def batch_shapes(batch: Mapping[str, object], workdir: epath.Path) -> Shapes:
  """Returns the shapes of the training batch that config.json tells of.

  Raises:
    UserError: if they are those of no batch.
  """
  try:
    shapes = {
      name: jax.ShapeDtypeStruct(tuple(map(int, shape)), np.dtype(dtype))
      for name, (shape, dtype) in batch.items()
    }
    sizes = {x.shape[0] for x in shapes.values()}
    sane = all(0 < n < 2**31 for x in shapes.values() for n in x.shape)
    rows = len(shapes["mask"].shape) == 1
    if not (sane and rows and len(sizes) == 1):
      raise ValueError("the shapes of its batch are none")
  except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
    raise_damaged(workdir, error)
  return shapes


def changed_values(
  config: ml_collections.ConfigDict, saved: Saved
) -> dict[str, tuple[Value, Value]]:
  """Returns key -> (value in a workdir, value now) of those that differ.

  A key of every run that is younger than this one had its default.
  """
  new = flat(json.loads(config.to_json()))
  defaults = base_config(steps=0, batch_size=0)
  old = defaults | flat(saved["values"])
  return {
    key: (old.get(key), value)
    for key, value in sorted(new.items())
    if old.get(key) != value
  }


def raise_damaged(workdir: epath.Path, error: Exception) -> None:
  """Raises a UserError that says what is wrong with config.json."""
  raise UserError(
    f"{workdir / 'config.json'} is damaged ({error}); expected the config of "
    "the run. Restore it from a copy, or use another --workdir."
  ) from error
