"""Zip archives of tensors: torch's and numpy's, looked into, never unpacked."""

import dataclasses
import pathlib
import struct
import zipfile
import zlib

from vision_jax.interop.readers.source import Source, check_expansion

_LOCAL = struct.Struct("<4s22xHH")  # of a local header: ends in two lengths
_BLOCK = 2**16  # bytes
_UTF8 = 0x800  # flag: a name is UTF-8
_TAIL = 2**16 + 22  # bytes within which the end of a directory lies
_NUMBER_AT = 10  # byte of it: how many members
_MANY = 0xFFFF  # or more: the number is elsewhere
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


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
    with (
      source.read_by("a whole zip file"),
      source.open() as file,
      zipfile.ZipFile(file) as opened,
    ):
      found = opened.infolist()
    _check_number(source, len(found))
    members = {}
    for member in found:
      _check_name(source, member.filename)
      if member.filename in members:
        raise source.bad(f"it holds {member.filename!r} twice", "it once")
      members[member.filename] = member
    return cls(source, members)

  def place(self, name: str) -> tuple[int, int]:
    """Returns where a member that is stored lies: first byte, and how many.

    Raises:
      UserError: if it is missing or compressed, or lies past the file's end.
    """
    if self._member(name).compress_type != zipfile.ZIP_STORED:
      raise self.source.bad(
        f"{name!r} is compressed",
        "records stored as they are, as torch.save does",
        "Load it with torch and save it again.",
      )
    return self._place(name)

  def size(self, name: str) -> int:
    """Returns the bytes of a member; what would fill memory is an error."""
    member = self._member(name)
    size, stored = member.file_size, member.compress_size
    check_expansion(self.source.path, name, size, stored)
    return size

  def read(self, name: str, first: int | None = None) -> bytes:
    """Returns a member, or its first bytes.

    Args:
      name: of the member.
      first: how many bytes; None is all, which are then checked by their sum.
    """
    size, expected = self.size(name), self._member(name).CRC
    size = size if first is None else min(first, size)
    content = self._content(name, size)
    wrong = first is None and expected and zlib.crc32(content) != expected
    if len(content) != size or wrong:
      raise self.source.bad(f"{name!r} is not what its sum says", "all of it")
    return content

  def _content(self, name: str, size: int) -> bytes:
    start, stored = self._place(name)
    if self._member(name).compress_type == zipfile.ZIP_STORED:
      return self.source.read(start, size)
    with self.source.read_by("a member deflated"):
      some = min(stored, 2 * size + _BLOCK)  # a first part is enough for one
      return zlib.decompressobj(-zlib.MAX_WBITS).decompress(
        self.source.read(start, some), size or 1
      )

  def _place(self, name: str) -> tuple[int, int]:
    member = self._member(name)
    if member.compress_type not in _METHODS or member.flag_bits & 1:
      raise self.source.bad(
        f"{name!r} is encrypted or compressed by method {member.compress_type}",
        "it stored or deflated",
        "Write it again.",
      )
    header = self.source.read(member.header_offset, _LOCAL.size)
    magic, name_size, extra_size = _LOCAL.unpack(header)
    at = member.header_offset + _LOCAL.size
    same = self.source.read(at, name_size) == _encoded(member)
    start = at + name_size + extra_size
    whole = member.compress_type or member.compress_size == member.file_size
    if magic != b"PK\3\4" or not whole or not same:
      raise self.source.bad(f"{name!r} is not where it should be", "a record")
    self.source.check(start, member.compress_size)
    return start, member.compress_size

  def _member(self, name: str) -> zipfile.ZipInfo:
    if name not in self.members:
      raise self.source.bad(f"it has no record {name[:80]!r}", "one")
    return self.members[name]


def _encoded(member: zipfile.ZipInfo) -> bytes:
  """Returns a member's name as it stands before it."""
  utf8 = member.flag_bits & _UTF8
  return member.orig_filename.encode("utf-8" if utf8 else "cp437")


def _check_number(source: Source, found: int) -> None:
  """Raises an error unless the directory has as many members as it says.

  One whose comment swallows the next would be read as if that were not there.
  """
  size = min(source.size, _TAIL)
  tail = source.read(source.size - size, size)
  at = tail.rfind(b"PK\5\6") + _NUMBER_AT
  number = int.from_bytes(tail[at : at + 2], "little")
  if number not in (found, _MANY):
    raise source.bad(f"its directory has {found} members", f"{number}")


def _check_name(source: Source, name: str) -> None:
  path = pathlib.PurePosixPath(name)
  outside = path.is_absolute() or ".." in path.parts or "\\" in name
  if outside or (path.parts[:1] and path.parts[0].endswith(":")):
    raise source.bad(
      f"it holds {name[:80]!r}, which lies outside of it",
      "names within",
      "Do not use this file: it is made to write elsewhere.",
    )
