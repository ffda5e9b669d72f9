"""Zip archives of tensors: torch's and numpy's, looked into, never unpacked."""

import dataclasses
import pathlib
import struct
import zipfile
import zlib

from vision_jax.errors import UserError
from vision_jax.interop.readers.source import Source

_LOCAL = struct.Struct("<4s22xHH")  # of a local header: ends in two lengths
_DAMAGES = (
  *(zipfile.BadZipFile, NotImplementedError, EOFError, struct.error),
  *(ValueError, OSError, OverflowError, zlib.error, RuntimeError, MemoryError),
)


@dataclasses.dataclass(frozen=True)
class Archive:
  """What a zip file says that it holds.

  Attributes:
    source: the file.
    members: name -> what its directory tells of it.
  """

  source: Source
  members: dict[str, zipfile.ZipInfo]

  @classmethod
  def of(cls, source: Source) -> "Archive":
    """Reads the directory of a zip file.

    Raises:
      UserError: if it is damaged, or names what lies outside or twice.
    """
    try:
      with source.open() as file, zipfile.ZipFile(file) as opened:
        found = opened.infolist()
    except UserError:
      raise
    except _DAMAGES as error:
      raise source.bad(f"it is no whole zip file ({error})", "one") from error
    members = {}
    for member in found:
      _check_name(source, member.filename)
      if member.filename in members:
        raise source.bad(f"it holds {member.filename!r} twice", "it once")
      members[member.filename] = member
    return cls(source, members)

  def place(self, name: str) -> tuple[int, int]:
    """Returns where the bytes of a member begin, and how many there are.

    Raises:
      UserError: if it is missing or compressed, or lies past the file's end.
    """
    member = self._member(name)
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
      raise self.source.bad(
        f"{name!r} is compressed or encrypted",
        "records as torch.save stores them",
        "Load it with torch and save it again.",
      )
    header = self.source.read(member.header_offset, _LOCAL.size)
    magic, name_size, extra_size = _LOCAL.unpack(header)
    start = member.header_offset + _LOCAL.size + name_size + extra_size
    if magic != b"PK\3\4" or member.compress_size != member.file_size:
      raise self.source.bad(f"{name!r} is not where it should be", "a record")
    self.source.check(start, member.file_size)
    return start, member.file_size

  def read(self, name: str) -> bytes:
    """Returns a stored member, checked by its sum where it has one."""
    content = self.source.read(*self.place(name))
    expected = self._member(name).CRC
    if expected and zlib.crc32(content) != expected:
      raise self.source.bad(f"{name!r} has another check sum", "its own")
    return content

  def _member(self, name: str) -> zipfile.ZipInfo:
    if name not in self.members:
      raise self.source.bad(f"it has no record {name[:80]!r}", "one")
    return self.members[name]


def _check_name(source: Source, name: str) -> None:
  path = pathlib.PurePosixPath(name)
  outside = path.is_absolute() or ".." in path.parts or "\\" in name
  if outside or (path.parts[:1] and path.parts[0].endswith(":")):
    raise source.bad(
      f"it holds {name[:80]!r}, which lies outside of it",
      "names within",
      "Do not use this file: it is made to write elsewhere.",
    )
