"""Photographs that scikit-learn and scikit-image bring along."""

import functools
import importlib.util
import pathlib

import numpy as np
from PIL import Image

from tests.oracles import library
from vision_jax.data.sources.photographs import FILES


def path(name):
  """Returns where a photograph lies; skips the test where it does not."""
  package, file = FILES[name]
  library(package)
  root = pathlib.Path(importlib.util.find_spec(package).origin).parent
  return root / file


@functools.cache
def photograph(name):
  """Returns a photograph (h, w, 3) uint8, as Pillow reads it."""
  with Image.open(path(name)) as image:
    return np.asarray(image.convert("RGB"))


def of_all_shapes():
  """Returns photographs by name: lying, standing, square, odd and tiny."""
  names = ("china", "flower", "astronaut", "cat", "coffee", "rocket")
  whole = {name: photograph(name) for name in names}
  china, cat = whole["china"], whole["cat"]
  return whole | {
    "standing": np.ascontiguousarray(china.transpose(1, 0, 2)),
    "odd": china[3:302, 5:478],
    "odd and standing": whole["coffee"][:399, 100:331],
    "nearly square": whole["astronaut"][:511],
    "long": china[100:197],
    "tall": cat[:, 60:131],
    "tiny": cat[100:137, 100:161],
    "a few pixels": cat[100:103, 100:107],
  }
