"""Repositories of the Hugging Face hub: in the local cache, or downloaded.

Nothing is downloaded unless that is asked for, and what is downloaded is
checked against the hashes that the hub keeps.
"""

import hashlib
import importlib.util
import pathlib
import re
from typing import Any

from vision_jax.errors import UserError
from vision_jax.interop.readers import folder, sharded
from vision_jax.interop.readers.source import Source, library, malformed

EXTRA = "hub"
_LIBRARY = "huggingface_hub"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_BESIDE = (folder.CONFIG, folder.PREPROCESSOR)


def is_name(text: str) -> bool:
  """Whether a text may be a repository's, OWNER/NAME, and no file's."""
  other = "--" in text or ".." in text or text.endswith(folder.SUFFIXES)
  return bool(_NAME.fullmatch(text)) and not other


def cached(name: str, revision: str = "") -> pathlib.Path | None:
  """Returns the folder of a repository in the local cache, or None.

  Args:
    name: OWNER/NAME.
    revision: branch, tag or commit; "" is the main branch.
  """
  if importlib.util.find_spec(_LIBRARY) is None:
    return None
  hub = library(_LIBRARY, EXTRA, name)
  for file in folder.WEIGHTS:
    found = hub.try_to_load_from_cache(name, file, revision=revision or None)
    if isinstance(found, str):
      return pathlib.Path(found).parent
  return None


def download(name: str, revision: str = "") -> pathlib.Path:
  """Downloads config and weights of a repository; returns their folder.

  Args:
    name: OWNER/NAME.
    revision: branch, tag or commit; "" is the main branch.

  Raises:
    UserError: if the hub is not to be used (HF_HUB_OFFLINE) or cannot be, and
      for a file of another hash than the hub's.
  """
  hub = library(_LIBRARY, EXTRA, name)
  if library(f"{_LIBRARY}.constants", EXTRA, name).HF_HUB_OFFLINE:
    raise malformed(
      name,
      "HF_HUB_OFFLINE is set, and the repository is not in the local cache",
      "to be allowed to download it",
      "Unset HF_HUB_OFFLINE, or name a folder that has the files.",
    )
  try:
    info = hub.HfApi().model_info(
      name, revision=revision or None, files_metadata=True
    )
    files = {x.rfilename: x for x in info.siblings}
    get = lambda file: _checked(hub, name, info.sha, files, file)
    return _fetch(name, files, get)
  except UserError:
    raise
  except Exception as error:  # of the network, in many kinds
    text = f"{type(error).__name__}: {str(error)[:300]}"
    raise malformed(
      name,
      f"it cannot be downloaded ({text})",
      "a repository of the hub",
      "Check its name and your connection, or name a folder with the files.",
    ) from error


def _fetch(name: str, files: dict[str, Any], get: Any) -> pathlib.Path:
  found = folder.choose(x for x in files if "/" not in x)
  if len(found) != 1:
    raise malformed(
      name,
      f"it has {', '.join(found[:8]) or 'no weights'}",
      "one file of weights",
      "Download the right one yourself and name it.",
    )
  path = get(found[0])
  if found[0].endswith(sharded.SUFFIX):
    source = Source.of(path)
    places = sharded.parsed(source).get(sharded.MAP) or {}
    for shard in sorted({str(x) for x in places.values()}):
      sharded.check_beside(source, shard)
      get(shard)
  for beside in _BESIDE:
    if beside in files:
      get(beside)
  return path.parent


def _checked(
  hub: Any, name: str, commit: str, files: dict[str, Any], file: str
) -> pathlib.Path:
  """Downloads a file of a commit, and checks its hash."""
  if file not in files:
    raise malformed(name, f"it has no {file}", "all that its index names")
  path = pathlib.Path(hub.hf_hub_download(name, file, revision=commit))
  lfs = files[file].lfs
  expected = lfs.sha256 if lfs else files[file].blob_id
  got = Source.of(path).sha256() if lfs else _git_hash(path)
  if got != expected:
    raise malformed(
      path,
      f"it has the hash {got}",
      f"{expected}, as the hub says",
      "Delete it and download it again.",
    )
  return path


def _git_hash(path: pathlib.Path) -> str:
  """Returns the hash by which git knows a small file."""
  content = path.read_bytes()
  return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
