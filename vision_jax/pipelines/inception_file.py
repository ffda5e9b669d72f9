"""The published Inception weights, from a user's file.

Nothing is downloaded. The file is pytorch-fid's
`pt_inception-2015-12-05-6726825d.pth`. One of another format with the same
names is read too, but cannot be known for the published one, so that metrics
are then called by "inception" and not `fid`.
"""

import pathlib

from vision_jax.errors import UserError
from vision_jax.interop import leaves
from vision_jax.interop.convert import LayoutMismatch, convert
from vision_jax.interop.families.fid_inception import pytorch_fid
from vision_jax.interop.files import open_tensors
from vision_jax.interop.leaves import Variables

SHA256 = "6726825d"  # begins with; the file's name says so too


def read_inception(path: str, net: Variables) -> tuple[Variables, bool]:
  """Returns the net's variables, and whether they are the published ones.

  Args:
    path: a .pth or .safetensors file.
    net: the variables' shapes, of `leaves.abstract`.

  Raises:
    UserError: if the file is missing, damaged, a .pth of another hash, or has
      another layout.
  """
  file = pathlib.Path(path)
  if not file.is_file():
    raise UserError(
      f"Inception weights: there is no file {path}; expected pytorch-fid's "
      "pt_inception-2015-12-05-6726825d.pth, or its tensors as .safetensors."
    )
  published = file.suffix != ".safetensors"
  tensors = open_tensors(file, sha256=SHA256 if published else "").tensors
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
