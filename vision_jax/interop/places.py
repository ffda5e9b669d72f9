"""Where published weights are, and what is a file of them."""

import os
import pathlib

from vision_jax.interop.readers import folder, sharded
from vision_jax.paths import absolute

VARIABLE = "VISION_JAX_WEIGHTS"  # a folder of published files
PART = "::"  # between a file and the dict in it that is meant


def split(name: os.PathLike | str) -> tuple[str, str]:
  """Splits FILE::PART; where there is a file of the whole name, it is that."""
  name = os.fspath(name)
  if PART not in name or os.path.exists(name):
    return name, ""
  path, _, part = name.rpartition(PART)
  return path, part


def find(name: str) -> str:
  """Returns the path of a file or folder of weights.

  One of the working folder, or else of that which VISION_JAX_WEIGHTS names. A
  name of neither is given back: it may be one of the Hugging Face hub.
  """
  path, part = split(name)
  below = os.path.join(os.environ.get(VARIABLE, ""), path)
  for place in (absolute(path), absolute(below)):
    if os.path.exists(place):
      return place + (PART + part if part else "")
  return name


def holds_tensors(path: os.PathLike | str) -> bool:
  """Whether a path is a file of weights, or a folder that others publish."""
  name = split(path)[0]
  if name.endswith((*folder.SUFFIXES, sharded.SUFFIX)):
    return True
  return any((pathlib.Path(name) / x).is_file() for x in folder.WEIGHTS)
