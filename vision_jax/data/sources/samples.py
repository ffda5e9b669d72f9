"""What a generator drew, and --mode=sample wrote, to be trained on."""

import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.sources.arrays import ArraySource, NpzSource

FILE = "samples.npz"


class Samples(ArraySource):
  """Images with the classes that they were asked for.

  Args:
    folder: the --output of --mode=sample; it is read on first use.
    shape: (h, w, c) that images are to have.
    class_names: of the labels 0, 1, ...

  Raises:
    DataError: on first use, without such a file, for a generator that knew no
      classes, and for images of another shape or classes that there are not.
  """

  def __init__(
    self,
    folder: str | os.PathLike[str],
    shape: tuple[int, int, int],
    class_names: Sequence[str],
  ):
    super().__init__({}, class_names=tuple(class_names))
    self.folder, self.shape = pathlib.Path(folder), tuple(shape)

  def load(self) -> Mapping[str, np.ndarray]:
    """Reads the file."""
    file = self.folder / FILE
    if not file.is_file():
      raise DataError(
        f"--config.generated: {self.folder} has no {FILE}; expected the "
        "--output of --mode=sample of a class-conditional generator."
      )
    arrays = NpzSource(file).load()
    if "label" not in arrays:
      raise DataError(
        f"{file}: has {', '.join(sorted(arrays))} and no label; expected the "
        "class that each image was asked for. Sample from a generator with "
        "classes."
      )
    got = arrays["image"].shape[1:] if "image" in arrays else None
    if got != self.shape:
      raise DataError(
        f"{file}: has images of the shape {got}; expected {self.shape}, as "
        "the real ones have. Sample from a generator of that size."
      )
    return {key: arrays[key] for key in ("image", "label")}
