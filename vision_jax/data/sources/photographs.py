"""Photographs that scikit-learn and scikit-image bring along, by name."""

import importlib.util
import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.files import read_image
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash

# name -> the package, and the file in it.
FILES = {
  "china": ("sklearn", "datasets/images/china.jpg"),
  "flower": ("sklearn", "datasets/images/flower.jpg"),
  "astronaut": ("skimage", "data/astronaut.png"),
  "cat": ("skimage", "data/chelsea.png"),
  "coffee": ("skimage", "data/coffee.png"),
  "motorcycle": ("skimage", "data/motorcycle_left.png"),
  "rocket": ("skimage", "data/rocket.jpg"),
}


class Photographs(AsMade):
  """Photographs in colours, of about 300 to 700 pixels a side.

  Examples have `image`, encoded, and `name`.

  Args:
    names: which of `FILES`, in order.

  Raises:
    DataError: for another name, or none; and on first use, if the package that
      has it is not installed.
  """

  def __init__(self, names: Sequence[str]):
    unknown = [name for name in names if name not in FILES]
    if unknown or not names:
      raise DataError(
        f"photographs: got {', '.join(unknown) or 'none'}; expected some of "
        f"{', '.join(FILES)}."
      )
    self.names = tuple(names)

  @property
  def files(self) -> list[pathlib.Path]:
    """Path of each example."""
    return [path_of(name) for name in self.names]

  def __len__(self) -> int:
    return len(self.names)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns encoded photographs."""
    files = [path_of(self.names[i]) for i in indices]
    return [{"image": read_image(f), "name": str(f)} for f in files]

  def fingerprint(self) -> str:
    """Returns a hash of names and contents."""
    return short_hash(self.names, *map(read_image, self.files))


def path_of(name: str) -> pathlib.Path:
  """Returns where a photograph lies.

  Raises:
    DataError: if the package that has it is not installed, or without it.
  """
  package, file = FILES[name]
  found = importlib.util.find_spec(package)
  path = found and pathlib.Path(found.origin).parent / file
  if not path or not path.is_file():
    raise DataError(
      f"photograph {name!r}: {path or package} is not there; expected it in "
      "scikit-image. Install that (pip install scikit-image), or take "
      "photographs of scikit-learn's, china and flower."
    )
  return path
