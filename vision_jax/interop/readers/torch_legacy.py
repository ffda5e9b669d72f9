"""torch's format of before 1.6: pickles one behind another, then storages."""

import dataclasses
from typing import Any, BinaryIO

from vision_jax.interop.readers import torch_names
from vision_jax.interop.readers.pickled import Machine
from vision_jax.interop.readers.source import Source
from vision_jax.interop.readers.state import Part, state_of
from vision_jax.interop.readers.torch_names import Place, Storage
from vision_jax.interop.tensors import Tensors

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
_SIZE = 8  # bytes of a storage's size, before it
_LINE = 2**16  # bytes of the longest line that a pickle may have


@dataclasses.dataclass(frozen=True)
class _Stream:
  """A file that gives no more than it has, however much is asked for."""

  file: BinaryIO
  size: int

  def read(self, size: int) -> bytes:
    return self.file.read(max(0, min(size, self.size - self.file.tell())))

  def readline(self) -> bytes:
    return self.file.readline(_LINE)

  def tell(self) -> int:
    return self.file.tell()


def read(source: Source, part: str = "") -> tuple[Tensors, Part]:
  """Returns the tensors of a file, none of them read.

  Args:
    source: the file, which begins with a pickle.
    part: which dict in it; "" for the only one.

  Raises:
    UserError: if it is damaged, holds code, or several dicts.
  """
  with source.open() as file:
    stream = _Stream(file, source.size)
    _check_system(source, stream)
    storages: dict[str, Storage] = {}
    content = _pickle(source, stream, storages)
    keys = _pickle(source, stream)
    places = _places(source, keys, storages, file.tell())
  found, chosen = state_of(content, part, source)
  tensors = {
    name: x.tensor(source, places[x.storage.key]) for name, x in found.items()
  }
  return tensors, chosen


def _pickle(
  source: Source, stream: _Stream, storages: dict[str, Storage] | None = None
) -> Any:
  """Reads one pickle; notes the storages that it names."""

  def note(identity: Any) -> Storage:
    storage = torch_names.storage_of(identity)
    known = storages.setdefault(storage.key, storage)
    if (known.dtype, known.size) != (storage.dtype, storage.size):
      raise ValueError(f"storage {storage.key[:40]} is there in two sizes")
    return storage

  names: Any = torch_names.names if storages is not None else lambda _: None
  persistent = note if storages is not None else None
  return Machine(names, persistent).read(stream, str(source.path))


def _check_system(source: Source, stream: _Stream) -> None:
  """Reads what stands before the content."""
  if _pickle(source, stream) != MAGIC:
    raise source.bad(
      "it is a pickle that torch.save has not written",
      "one of torch's files",
      "Save tensors with torch.save, safetensors or numpy.savez.",
    )
  if (version := _pickle(source, stream)) != PROTOCOL:
    raise source.bad(f"its protocol is {str(version)[:40]}", f"{PROTOCOL}")
  system = _pickle(source, stream)
  if not isinstance(system, dict) or system.get("little_endian") is not True:
    raise source.bad(
      "it comes from a machine of another byte order",
      "little endian",
      "Load it with torch there and save it again.",
    )


def _places(
  source: Source, keys: Any, storages: dict[str, Storage], start: int
) -> dict[str, Place]:
  """Returns where each storage lies: first byte, and how many."""
  if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
    raise source.bad("its list of storages is another", "those of its tensors")
  places = {}
  for key in map(str, keys):
    size = int.from_bytes(source.read(start, _SIZE), "little")
    if size != storages[key].size:
      raise source.bad(
        f"storage {key[:40]} has {size} numbers", f"{storages[key].size}"
      )
    places[key] = start + _SIZE, storages[key].nbytes()
    source.check(*places[key])
    start = sum(places[key])
  return places
