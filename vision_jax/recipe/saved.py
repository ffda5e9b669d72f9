"""What a workdir has kept of its config: config.json and config.py."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.recipe import places, trust


def saved_config(workdir: epath.Path) -> dict[str, Any] | None:
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
  workdir: epath.Path,
  saved: Mapping[str, Any],
  say: Callable[[str], None],
  *,
  trusted: bool = False,
) -> str:
  """Returns a workdir's copy of its config file; says if the file differs.

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
  if why := _changed(saved, copy):
    say(f"{saved['path']} {why}: using the copy in {workdir}.")
  return copy


def _changed(saved: Mapping[str, Any], copy: str) -> str | None:
  """Says what has become of a saved config's file; None if it is the same."""
  path = places.named(saved["path"])
  if not path.is_file():
    return "is missing"
  changed = path.read_bytes() != copy.encode()
  return "has changed since" if changed else None


def batch_shapes(
  batch: Any, workdir: epath.Path
) -> dict[str, jax.ShapeDtypeStruct]:
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
    images = len(shapes["image"].shape) == 4 and "mask" in shapes
    if not (sane and images and len(sizes) == 1):
      raise ValueError("the shapes of its batch are none")
  except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
    raise_damaged(workdir, error)
  return shapes


def raise_damaged(workdir: epath.Path, error: Exception) -> None:
  """Raises a UserError that says what is wrong with config.json."""
  raise UserError(
    f"{workdir / 'config.json'} is damaged ({error}); expected the config of "
    "the run. Restore it from a copy, or use another --workdir."
  ) from error
