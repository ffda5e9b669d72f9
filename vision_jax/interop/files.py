"""The one door to weights of others: a file or folder, whatever its format.

`open_tensors` looks at what is in a file, not only at its name, and gives its
tensors by the names they have there. Nothing of the file is run, and no tensor
is read before it is asked for.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from vision_jax.errors import UserError
from vision_jax.interop.places import split
from vision_jax.interop.readers import (
  folder,
  hdf5,
  hub,
  keras,
  matlab,
  npz,
  onnx,
  safetensors,
  sharded,
  torch_legacy,
  torch_zip,
)
from vision_jax.interop.readers.source import Source, malformed
from vision_jax.interop.readers.zipped import Archive
from vision_jax.interop.tensors import Tensors

_HEAD = 1024  # bytes by which a format is known
_ZIP = (b"PK\3\4", b"PK\5\6")  # of members, and of none
_HDF5 = b"\x89HDF\r\n\x1a\n"
_FORMATS = (
  "safetensors, .pth (zip or older), npz, HDF5 of Keras, MATLAB v7.3, ONNX, an "
  "index of shards, or a folder with config.json"
)
# What people have instead, by how it begins, and what to do about it.
_OTHERS = {
  b"": ("it is empty", "Get it again."),
  b"version https://git-lfs": (
    "it is a pointer of Git LFS, not the file",
    "Get the file: git lfs pull.",
  ),
  b"<": ("it is a web page", "The download went wrong: get the file itself."),
  b"\x1f\x8b": ("it is compressed by gzip", "Unpack it: gunzip."),
  b"MATLAB 5": ("it is a MATLAB file of before v7.3", "Save it with -v7.3."),
  b"\x93NUMPY": (
    "it is a single array of numpy's",
    "Save arrays by their names: numpy.savez.",
  ),
  b"GGUF": ("it is a GGUF file", "Get the model's safetensors."),
}


@dataclasses.dataclass(frozen=True)
class Opened:
  """A file or folder of tensors.

  Attributes:
    tensors: by the names that the file gives them; none is read yet.
    kind: of its format: "safetensors", "torch", "npz", "keras", "hdf5",
      "matlab", "onnx", "sharded".
    files: what the tensors are in: one, or an index and its shards.
    metadata: what the file says besides.
    config: config.json of a Hugging Face folder; None where there is none.
    preprocessor: its preprocessor_config.json, likewise.
  """

  tensors: Tensors
  kind: str
  files: tuple[pathlib.Path, ...] = ()
  metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  config: Mapping[str, Any] | None = None
  preprocessor: Mapping[str, Any] | None = None

  @property
  def described(self) -> dict[str, Any] | None:
    """What a Hugging Face folder says of its net and of the net's images.

    config.json, with the other file's content under that file's name.
    """
    if self.config is None or self.preprocessor is None:
      return None if self.config is None else dict(self.config)
    return {**self.config, folder.PREPROCESSOR: self.preprocessor}


def open_tensors(
  path: os.PathLike | str,
  *,
  sha256: str = "",
  download: bool = False,
  revision: str = "",
) -> Opened:
  """Opens a file or folder of tensors.

  Args:
    path: of a file, or of a folder as Hugging Face has it, or OWNER/NAME of a
      repository in Hugging Face's local cache. With "::PART" behind it, of one
      dict among several in the file, such as checkpoint.pth::model_ema.
    sha256: what that of the file of weights must begin with; "" is anything.
    download: whether a repository may be downloaded that is not in the cache.
    revision: of a repository: branch, tag or commit; "" is the main branch.

  Raises:
    UserError: for what is missing, damaged, malicious, ambiguous, or of a
      format that is not known.
  """
  name, part = split(path)
  place = _place(name, download, revision)
  if not place.is_dir():
    return _open_checked(place, part, sha256)
  found = _open_checked(folder.weights(place), part, sha256)
  return dataclasses.replace(
    found,
    config=folder.config(place),
    preprocessor=folder.config(place, folder.PREPROCESSOR),
  )


def _place(name: str, download: bool, revision: str) -> pathlib.Path:
  """Returns the file or folder that a name means."""
  path = pathlib.Path(name)
  if os.path.exists(path) or not hub.is_name(name):
    return path
  found = hub.cached(name, revision)
  if found is None and download:
    return hub.download(name, revision)
  if found is None:
    raise malformed(
      name,
      "there is no such file or folder, nor repository in Hugging Face's "
      "local cache",
      "one of them",
      "Check the path, or allow the download of a repository: --download.",
    )
  return found


def _open_checked(path: pathlib.Path, part: str, sha256: str) -> Opened:
  source = Source.of(path)
  if sha256 and not (got := source.sha256()).startswith(sha256.lower()):
    raise source.bad(f"it has the SHA-256 {got}", sha256)
  opened = _open_file(source, part)
  if part and "path" not in opened.metadata:
    raise source.bad(f"it has no {part!r}", "a torch file", "Leave it out.")
  return dataclasses.replace(opened, files=(path, *opened.files))


def _open_file(source: Source, part: str = "") -> Opened:
  """Opens a file by what it begins with."""
  head = source.read(0, min(source.size, _HEAD))
  if safetensors.is_one(source, head):
    tensors, metadata = safetensors.read(source)
    return Opened(tensors, "safetensors", metadata=metadata)
  if head[:4] in _ZIP:
    return _open_zip(Archive.of(source), part)
  if head[:1] == b"\x80":
    tensors, chosen = torch_legacy.read(source, part)
    return Opened(tensors, "torch", metadata=dataclasses.asdict(chosen))
  if _HDF5 in (head[:8], head[512:520]):
    return _open_hdf5(source, head)
  if source.path.name.endswith(sharded.SUFFIX):
    open_shard = lambda path: _open_file(Source.of(path)).tensors
    tensors, shards = sharded.read(source, open_shard)
    return Opened(tensors, "sharded", shards)
  if source.path.suffix == ".safetensors":
    safetensors.read(source)  # says what is wrong with it
  if source.path.suffix == ".onnx" or head[:1] == b"\x08":
    tensors, metadata = onnx.read(source)
    return Opened(tensors, "onnx", metadata=metadata)
  raise _unknown(source, head)


def _open_zip(archive: Archive, part: str) -> Opened:
  if torch_zip.is_torch(archive):
    tensors, chosen = torch_zip.read(archive, part)
    return Opened(tensors, "torch", metadata=dataclasses.asdict(chosen))
  if npz.is_npz(archive):
    return Opened(npz.read(archive), "npz")
  raise archive.source.bad(
    f"it is a zip file of {', '.join(list(archive.members)[:3]) or 'nothing'}",
    "one that torch.save or numpy.savez has written",
    "Unpack it, and name the file in it.",
  )


def _open_hdf5(source: Source, head: bytes) -> Opened:
  with hdf5.opened(source) as inside:
    if head.startswith(matlab.MAGIC):
      return Opened(matlab.read(source, inside), "matlab")
    layers = keras.root(inside)
    if layers is not None:
      return Opened(keras.read(source, layers), "keras")
    return Opened(hdf5.read(source, inside), "hdf5")


def _unknown(source: Source, head: bytes) -> UserError:
  if head[257:262] == b"ustar":
    return source.bad(
      "it is a tar archive, of torch before 0.2 or a packed folder",
      _FORMATS,
      "Unpack it, or save it anew with a torch of today.",
    )
  for begin, (got, fix) in _OTHERS.items():
    if head.startswith(begin) and (begin or not head):
      return source.bad(got, _FORMATS, fix)
  return source.bad(f"it begins with {head[:16]!r}", _FORMATS, "Convert it.")
