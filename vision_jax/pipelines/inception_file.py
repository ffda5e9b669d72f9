"""The published Inception weights, from a user's file.

Nothing is downloaded. The file is pytorch-fid's
`pt_inception-2015-12-05-6726825d.pth`; reading it needs torch. A .safetensors
file of the same names is read too, but cannot be known for the published one,
so that metrics are then called by "inception" and not `fid`.
"""

import hashlib
import pathlib

import numpy as np

from vision_jax.errors import UserError
from vision_jax.interop import leaves
from vision_jax.interop.convert import LayoutMismatch, convert
from vision_jax.interop.families.fid_inception import pytorch_fid
from vision_jax.interop.leaves import Variables
from vision_jax.interop.tensors import Tensor

SHA256 = "6726825d"  # begins with; the file's name says so too


def read_inception(path: str, net: Variables) -> tuple[Variables, bool]:
  """Returns the net's variables, and whether they are the published ones.

  Args:
    path: a .pth or .safetensors file.
    net: the variables' shapes, of `leaves.abstract`.

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
  arrays = _read_torch(file) if published else _read_safetensors(file)
  tensors = {name: Tensor.of(x) for name, x in arrays.items()}
  expected = leaves.shapes(net)
  try:
    where = f"Inception weights: {path}"
    found = convert(tensors, pytorch_fid(expected), expected, where=where)
  except LayoutMismatch as error:
    raise UserError(
      f"{error} Expected the tensors of pytorch-fid's file; torchvision's "
      "Inception is another network."
    ) from None
  return leaves.read(found), published


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
