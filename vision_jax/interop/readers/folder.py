"""A folder as Hugging Face has it: config.json, and weights beside it."""

import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from vision_jax.interop.readers import sharded
from vision_jax.interop.readers.source import Source, malformed

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
_PIPELINE = "model_index.json"  # of several nets, each in a folder of its own
_STEMS = ("model", "diffusion_pytorch_model", "open_clip_model")
_TORCH = ("pytorch_model", "diffusion_pytorch_model")
# In this order: what cannot hold code comes first.
WEIGHTS = (
  *(f"{x}.safetensors{end}" for x in _STEMS for end in ("", sharded.SUFFIX)),
  *(f"{x}.bin{end}" for x in _TORCH for end in ("", sharded.SUFFIX)),
)
SUFFIXES = (
  *(".safetensors", ".bin", ".pth", ".pt", ".th", ".ckpt", ".pth.tar", ".npz"),
  *(".h5", ".hdf5", ".mat", ".onnx"),
)
_RUN = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def choose(names: Iterable[str]) -> list[str]:
  """Returns which of a folder's files are its weights: one if all is well."""
  names = set(names)
  for name in WEIGHTS:
    if name in names:
      return [name]
  return sorted(x for x in names if x.endswith(SUFFIXES) and x not in _RUN)


def weights(path: pathlib.Path) -> pathlib.Path:
  """Returns the file of weights in a folder.

  Raises:
    UserError: if there is none, or more than one.
  """
  names = [x.name for x in path.iterdir() if x.is_file()]
  found = choose(names)
  if len(found) == 1:
    return path / found[0]
  raise malformed(
    path, _several(path, found), "one file of weights", _fix(path)
  )


def config(path: pathlib.Path, name: str = CONFIG) -> dict[str, Any] | None:
  """Returns a folder's config.json, or None if it has none.

  Raises:
    UserError: if it is no JSON object.
  """
  file = path / name
  return sharded.parsed(Source.of(file)) if file.is_file() else None


def _several(path: pathlib.Path, found: Sequence[str]) -> str:
  listed = f"it has {', '.join(found[:8])}" if found else "it has no weights"
  inner = [x.name for x in path.iterdir() if (x / CONFIG).is_file()]
  more = f", in folders {', '.join(sorted(inner))}" if inner else ""
  return listed + more


def _fix(path: pathlib.Path) -> str:
  if (path / _PIPELINE).is_file():
    return "It is a pipeline of several nets: name the folder of one of them."
  return "Name the file itself."
