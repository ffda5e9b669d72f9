"""The one door to weights of others: a file or folder, whatever its format.

`open_tensors` looks at what is in a file, not only at its name, and gives its
tensors by the names they have there. Nothing of the file is run, and no tensor
is read before it is asked for.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from vision_jax.interop.readers import safetensors, torch_zip
from vision_jax.interop.readers.source import Source, malformed
from vision_jax.interop.readers.zipped import Archive
from vision_jax.interop.tensors import Tensors

PART = "::"  # between a file and the dict in it that is meant


@dataclasses.dataclass(frozen=True)
class Opened:
  """A file or folder of tensors.

  Attributes:
    tensors: by the names that the file gives them; none is read yet.
    kind: of its format: "safetensors", "torch", ...
    metadata: what the file says besides.
    config: config.json of a Hugging Face folder; None where there is none.
    preprocessor: its preprocessor_config.json, likewise.
  """

  tensors: Tensors
  kind: str
  metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
  config: Mapping[str, Any] | None = None
  preprocessor: Mapping[str, Any] | None = None


def open_tensors(path: os.PathLike | str, *, sha256: str = "") -> Opened:
  """Opens a file or folder of tensors.

  Args:
    path: of a file; with "::PART" behind it, of one dict among several in it,
      such as checkpoint.pth::model_ema.
    sha256: what the file's must be, or begin with; "" checks nothing.

  Raises:
    UserError: for what is missing, damaged, malicious, ambiguous, or of a
      format that is not known.
  """
  name, _, part = os.fspath(path).partition(PART)
  source = Source.of(pathlib.Path(name))
  if sha256:
    _check_hash(source, sha256)
  return _open_file(source, part)


def _open_file(source: Source, part: str) -> Opened:
  head = source.read(0, min(source.size, 1024))
  if head[:2] == b"PK":
    return _open_zip(Archive.of(source), part)
  if head[8:9] == b"{":
    tensors, metadata = safetensors.read(source)
    return Opened(tensors, "safetensors", metadata)
  raise source.bad(f"it begins with {head[:16]!r}", "safetensors or torch")


def _open_zip(archive: Archive, part: str) -> Opened:
  if torch_zip.is_torch(archive):
    tensors, chosen = torch_zip.read(archive, part)
    return Opened(tensors, "torch", dataclasses.asdict(chosen))
  raise archive.source.bad("it is a zip file", "one of torch's")


def _check_hash(source: Source, expected: str) -> None:
  with source.open() as file:
    got = hashlib.file_digest(file, "sha256").hexdigest()
  if not got.startswith(expected.lower()):
    raise malformed(source.path, f"it has the SHA-256 {got}", f"{expected}")
