"""The published Inception weights, from a user's file.

Nothing is downloaded. The file is pytorch-fid's
`pt_inception-2015-12-05-6726825d.pth`; reading it needs torch. A .safetensors
file of the same names is read too, but cannot be known for the published one,
so that metrics are then called by "inception" and not `fid`.
"""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vision_jax.errors import UserError

# What the file has besides: nothing that is measured takes it.
_UNUSED = ("num_batches_tracked", "fc.bias")
SHA256 = "6726825d"  # begins with; the file's name says so too
# The file's last word -> ours, and for a convolution its axes.
_NAMES = {
  "conv.weight": ("kernel",),
  "bn.weight": ("scale",),
  "bn.bias": ("bias",),
  "bn.running_mean": ("mean",),
  "bn.running_var": ("var",),
}


def read_inception(
  path: str, shapes: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
  """Returns the parameters, and whether they are the published ones.

  Args:
    path: a .pth or .safetensors file.
    shapes: nested dict of the model's parameters, for their shapes.

  Raises:
    UserError: if the file is missing, a .pth of another hash, or has another
      layout.
  """
  file = pathlib.Path(path)
  if not file.is_file():
    raise UserError(
      f"Inception weights: there is no file {path}; expected pytorch-fid's "
      "pt_inception-2015-12-05-6726825d.pth, or its tensors as .safetensors."
    )
  published = file.suffix != ".safetensors"
  tensors = _read_torch(file) if published else _read_safetensors(file)
  return from_tensors(tensors, shapes, path), published


def from_tensors(
  tensors: Mapping[str, np.ndarray], shapes: Mapping[str, Any], path: str
) -> dict[str, Any]:
  """Renames tensors of a torch state to the nested parameters of a model.

  Raises:
    UserError: listing what is missing, too much, or of another shape.
  """
  got = {
    _rename(name): _axes(name, x)
    for name, x in tensors.items()
    if not name.endswith(_UNUSED)
  }
  wanted = _flat(shapes)
  wrong = [f"{'.'.join(n)} is missing" for n in wanted if n not in got]
  wrong += [f"{'.'.join(n)} is not part of it" for n in got if n not in wanted]
  wrong += [
    f"{'.'.join(n)} is {got[n].shape}, expected {tuple(x.shape)}"
    for n, x in wanted.items()
    if n in got and got[n].shape != tuple(x.shape)
  ]
  if wrong:
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    raise UserError(
      f"Inception weights: {path} has another layout: "
      f"{'; '.join(wrong[:5])}{more}. Expected the tensors of pytorch-fid's "
      "file; torchvision's Inception is another network."
    )
  return _nest(got)


def _read_torch(file: pathlib.Path) -> dict[str, np.ndarray]:
  digest = hashlib.sha256(file.read_bytes()).hexdigest()
  if not digest.startswith(SHA256):
    raise UserError(
      f"Inception weights: {file} has the SHA-256 {digest[:8]}...; expected "
      f"{SHA256}.... It is damaged or another file: get pytorch-fid's again."
    )
  try:
    import torch
  except ImportError:
    raise UserError(
      f"Inception weights: {file} is a torch file, and torch is not "
      "installed: pip install -e '.[oracle]'."
    ) from None
  tensors = torch.load(file, map_location="cpu", weights_only=True)
  return {name: x.numpy() for name, x in tensors.items()}


def _read_safetensors(file: pathlib.Path) -> dict[str, np.ndarray]:
  import safetensors
  from safetensors.numpy import load_file

  try:
    return load_file(file)
  except safetensors.SafetensorError as error:
    raise UserError(
      f"Inception weights: {file} cannot be read as safetensors ({error})."
    ) from error


def _rename(name: str) -> tuple[str, ...]:
  """Mixed_5b.branch1x1.bn.weight -> (Mixed_5b, branch1x1, scale)."""
  for theirs, ours in _NAMES.items():
    if name.endswith("." + theirs):
      return (*name.removesuffix("." + theirs).split("."), *ours)
  if name == "fc.weight":
    return ("fc", "kernel")
  return tuple(name.split("."))


def _axes(name: str, x: np.ndarray) -> np.ndarray:
  if x.ndim == 4:
    return x.transpose(2, 3, 1, 0)
  return x.T if name == "fc.weight" else x


def _flat(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict:
  flat = {}
  for key, value in tree.items():
    nested = isinstance(value, Mapping)
    flat |= _flat(value, (*path, key)) if nested else {(*path, key): value}
  return flat


def _nest(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
  tree: dict[str, Any] = {}
  for path, value in flat.items():
    place = tree
    for key in path[:-1]:
      place = place.setdefault(key, {})
    place[path[-1]] = np.asarray(value, np.float32)
  return tree
