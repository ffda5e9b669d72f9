"""Transforms of what has a time: windows of clips, joints that are missing."""

from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform, log_once, name_of


@transform
def window(
  length: int, *, random: bool = False, keys: Sequence[str] = ("image",)
) -> Transform:
  """Takes `length` frames that follow one another, of arrays (t, ...).

  Args:
    length: frames.
    random: whether where it begins is drawn; else it is the middle.
    keys: of the example, whose first axis is time.

  Raises:
    DataError: for a clip that is shorter.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    frames = len(example[keys[0]])
    if frames < length:
      raise DataError(
        f"{name_of(example)}: has {frames} frames; expected {length} or more, "
        f"as a window has. Leave it out, or use --config.window={frames}."
      )
    rest = frames - length
    start = int(rng.integers(rest + 1)) if random else rest // 2
    part = {key: example[key][start : start + length] for key in keys}
    return {**example, **part}

  return apply


@transform
def mask_joints() -> Transform:
  """Adds to `joints` (..., v, c) a channel: 1 for a joint that was seen, or 0.

  One with a coordinate that is NaN was not seen: all of its coordinates become
  0. That there are such is logged once.

  Raises:
    DataError: for joints of another kind, or infinite ones.
  """
  log = log_once(
    "%s has joints that are missing (NaN); they are masked here and wherever "
    "else there are some."
  )

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    joints = np.asarray(example["joints"])
    if joints.ndim < 2 or joints.dtype.kind != "f":
      raise DataError(
        f"{name_of(example)}: has joints {joints.shape} of {joints.dtype}; "
        "expected floats (..., joints, coordinates), NaN for a missing one."
      )
    if np.isinf(joints).any():
      raise DataError(
        f"{name_of(example)}: has joints at infinity; expected finite "
        "coordinates, NaN for a joint that is missing."
      )
    seen = ~np.isnan(joints).any(-1, keepdims=True)
    if not _of_frames(seen, example).all():
      log(example)
    masked = np.where(seen, joints, 0)
    both = np.concatenate([masked, seen], -1, dtype=np.float32)
    return {**example, "joints": both}

  return apply


def _of_frames(seen: np.ndarray, example: Example) -> np.ndarray:
  """What was seen in frames that are no padding."""
  return seen[example["frame_mask"] > 0] if "frame_mask" in example else seen
