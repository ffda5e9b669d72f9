"""torch's zip format: a pickle, and beside it a record for each storage.

A TorchScript program (`torch.jit.save`) is one too: its modules' parameters,
buffers and other tensors are read, its code is not.
"""

import io
from typing import Any

from vision_jax.interop.readers import torch_names
from vision_jax.interop.readers.pickled import Machine
from vision_jax.interop.readers.state import Part, state_of
from vision_jax.interop.readers.zipped import Archive
from vision_jax.interop.tensors import Tensors

_ORDERS = {b"little": "<", b"big": ">"}
PICKLE = "data.pkl"


def is_torch(archive: Archive) -> bool:
  """Whether a zip file is one of torch's."""
  return any(name.endswith(f"/{PICKLE}") for name in archive.members)


def read(archive: Archive, part: str = "") -> tuple[Tensors, Part]:
  """Returns the tensors of a file, none of them read.

  Args:
    archive: of the file.
    part: which dict in it; "" for the only one.

  Raises:
    UserError: if it is damaged, holds code, or several dicts.
  """
  source = archive.source
  folders = [
    name.removesuffix(PICKLE)
    for name in archive.members
    if name.count("/") == 1 and name.endswith(f"/{PICKLE}")
  ]
  if len(folders) != 1:
    raise source.bad(f"it has {len(folders)} pickles {PICKLE}", "one")
  (folder,) = folders
  machine = Machine(torch_names.names, torch_names.storage_of)
  pickle = io.BytesIO(archive.read(folder + PICKLE))
  content = machine.read(pickle, str(source.path))
  found, chosen = state_of(content, part, source)
  order = _byte_order(archive, folder)
  tensors = {}
  for name, x in found.items():
    place = archive.place(f"{folder}data/{x.storage.key}")
    tensors[name] = x.tensor(source, place, order)
  return tensors, chosen


def _byte_order(archive: Archive, folder: str) -> Any:
  name = f"{folder}byteorder"  # files of before 2023 have none
  if name not in archive.members:
    return "<"
  text = archive.read(name)
  if text not in _ORDERS:
    raise archive.source.bad(f"its byte order is {text[:20]}", "little or big")
  return _ORDERS[text]
