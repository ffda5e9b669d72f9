"""Photographs that come with scikit-image, as folders to train and test on.

All are free of restrictions, by the notes of `skimage.data`: the cat, the
coffee and the camera are CC0 of their photographers (Stefan van der Walt,
Rachel Michetti, Lav Varshney), the astronaut and the galaxies are NASA's and
the rocket SpaceX's, in the public domain.
"""

import pathlib

from vision_jax.errors import UserError
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png

TRAIN = ("astronaut", "coffee", "hubble_deep_field", "rocket")
TEST = ("chelsea",)


def write(folder: pathlib.Path) -> None:
  """Writes `train` and `test`, folders of PNGs.

  Raises:
    UserError: if scikit-image is not installed.
  """
  try:
    from skimage import data
  except ImportError as error:
    raise UserError(
      "scikit-image: it is not installed, whose photographs are restored; "
      "expected it beside the tests' other packages. pip install scikit-image"
    ) from error
  for part, names in (("train", TRAIN), ("test", TEST)):
    for name in names:
      path = folder / part / f"{name}.png"
      path.parent.mkdir(parents=True, exist_ok=True)
      write_png(path, to_rgb(getattr(data, name)()))
