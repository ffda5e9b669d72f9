"""A research codebase for computer vision in JAX and Flax Linen.

Its parts are found when they are asked for: `vision_jax.train.run` needs no
import but `vision_jax`, which itself imports nothing. `vision_jax.load`,
`vision_jax.preprocess` and `vision_jax.measure` are those of `library`.
"""

import importlib
import pathlib
from typing import Any

__version__ = "0.3.0"


_CALLS = ("load", "preprocess", "measure")  # of library


def __getattr__(name: str) -> Any:
  if name in _CALLS:
    return getattr(importlib.import_module("vision_jax.library"), name)
  folder = pathlib.Path(__file__).parent
  if (folder / f"{name}.py").exists() or (folder / name).is_dir():
    return importlib.import_module(f"vision_jax.{name}")
  raise AttributeError(f"module 'vision_jax' has no attribute {name!r}")
