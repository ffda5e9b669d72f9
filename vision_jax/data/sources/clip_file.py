"""Clips or skeletons of one's own: an npz with the arrays of each split."""

import functools
import pathlib
from collections.abc import Mapping

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.arrays import NpzSource

IGNORE = 255  # of frames that are padding
SPLITS = ("train", "val", "test")
AXES = {"image": 5, "joints": 4}


class ClipFile:
  """An npz file of `{split}_image` or `{split}_joints`, and their classes.

  Images are (n, t, h, w, c) uint8, joints (n, t, v, c) floats, NaN for one that
  is missing. Classes are `{split}_label` (n,), or `{split}_target` (n, t), 255
  for padding. `class_names` (k,) are their names; of joints, `edges` (e, 2) are
  those that belong together, and `centre` is the one in the middle.

  Args:
    path: the file.
    key: "image" or "joints".

  Raises:
    DataError: on first use, for a file that cannot be read, or has none.
  """

  def __init__(self, path: str, key: str):
    self.path, self.key = pathlib.Path(path), key

  @functools.cached_property
  def arrays(self) -> Mapping[str, np.ndarray]:
    """All arrays."""
    return NpzSource(self.path).load()

  def splits(self) -> list[str]:
    """Returns the splits that there are, train first."""
    found = [x for x in SPLITS if f"{x}_{self.key}" in self.arrays]
    if "train" not in found:
      raise DataError(
        f"npz file {self.path}: has {some(self.arrays)}; expected an array "
        f"train_{self.key}, and val_{self.key} and test_{self.key} if there "
        "are some."
      )
    return found

  def names(self) -> tuple[str, ...]:
    """Returns the names of the classes, or their numbers."""
    if "class_names" in self.arrays:
      return tuple(map(str, self.arrays["class_names"]))
    most = 0
    for name, x in self.arrays.items():
      if name.endswith(("_label", "_target")):
        most = max(most, int(x[x != IGNORE].max(initial=0)))
    return tuple(map(str, range(most + 1)))

  def edges(self) -> tuple[tuple[int, int], ...]:
    """Returns the pairs of joints that belong together."""
    edges = np.asarray(self.arrays.get("edges", ()))
    if edges.ndim != 2 or edges.shape[1] != 2:
      raise DataError(
        f"npz file {self.path}: has edges {edges.shape}; expected an array "
        "edges (e, 2) with the pairs of joints that belong together."
      )
    return tuple((int(a), int(b)) for a, b in edges)

  def centre(self) -> int:
    """Returns the joint in the middle, 0 where the file does not say it."""
    return int(self.arrays.get("centre", 0))

  def frame(self) -> tuple[int, ...]:
    """Returns the shape of a frame: (h, w, c) or (v, c)."""
    return self.arrays[f"train_{self.key}"].shape[2:]

  def open(self, split: str) -> "Clips":
    """Returns one of the splits."""
    return Clips(self, split)


class Clips(AsMade):
  """One split of a `ClipFile`.

  Args:
    file: the file.
    split: its name.
  """

  def __init__(self, file: ClipFile, split: str):
    self.file, self.split = ClipFile(str(file.path), file.key), split

  def __len__(self) -> int:
    return len(self._arrays[self.file.key])

  def fingerprint(self) -> str:
    """Returns a hash of the content."""
    arrays = self._arrays
    return short_hash(*(x for k in sorted(arrays) for x in (k, arrays[k])))

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    return [self._example(int(i)) for i in indices]

  def _example(self, i: int) -> Example:
    example = {k: x[i] for k, x in self._arrays.items()}
    if "target" in example:
      real = example["target"] != IGNORE
      example["frame_mask"] = real.astype(np.float32)
    return {"name": f"{self.file.path} {self.split} [{i}]", **example}

  def __getstate__(self) -> dict[str, object]:
    again = ClipFile(str(self.file.path), self.file.key)  # without its arrays
    return {"file": again, "split": self.split}

  @functools.cached_property
  def _arrays(self) -> dict[str, np.ndarray]:
    given, before = self.file.arrays, f"{self.split}_"
    keys = (self.file.key, "label", "target")
    found = {k: given[before + k] for k in keys if before + k in given}
    clips, axes = found[self.file.key], AXES[self.file.key]
    classes = [k for k in found if k != self.file.key]
    shapes = {k: x.shape for k, x in found.items()}
    fits = clips.ndim == axes and len(classes) == 1 and len(clips)
    if fits:
      way = {"label": clips.shape[:1], "target": clips.shape[:2]}
      fits = shapes[classes[0]] == way[classes[0]]
      fits &= found[classes[0]].dtype.kind in "iu"
    if not fits:
      raise DataError(
        f"npz file {self.file.path}: has for {self.split} {shapes}; expected "
        f"{self.file.key} of {axes} axes, examples and time first, and one of "
        "label (n,) and target (n, t), integers."
      )
    kind = np.uint8 if classes == ["target"] else np.int32
    floats = np.float32 if self.file.key == "joints" else clips.dtype
    return {
      self.file.key: clips.astype(floats),
      classes[0]: found[classes[0]].astype(kind),
    }
