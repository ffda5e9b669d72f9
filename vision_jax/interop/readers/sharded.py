"""Weights in several files, and an index that says which tensor is in which."""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from vision_jax.interop.readers.source import Source, malformed
from vision_jax.interop.tensors import Tensors

MAP = "weight_map"
SUFFIX = ".index.json"
LARGEST = 2**26  # bytes of a JSON file
_SHOWN = 5  # names that an error lists
Open = Callable[[pathlib.Path], Tensors]


def read(
  source: Source, open_shard: Open
) -> tuple[Tensors, tuple[pathlib.Path, ...]]:
  """Returns the tensors of all files that an index names, and the files.

  Args:
    source: the index.
    open_shard: path of a file -> its tensors.

  Raises:
    UserError: if one is missing, lies elsewhere, or holds other tensors than
      the index says.
  """
  index = parsed(source)
  places = index.get(MAP)
  texts = isinstance(places, Mapping) and all(
    isinstance(x, str) for x in places.values()
  )
  if not texts or not places:
    raise source.bad(f"it has no {MAP} of names to files", "an index of shards")
  paths = _paths(source, places.values())
  shards = {name: open_shard(path) for name, path in paths.items()}
  _check_names(source, places, shards)
  tensors = {name: shards[shard][name] for name, shard in places.items()}
  return tensors, tuple(paths.values())


def _paths(source: Source, names: Any) -> dict[str, pathlib.Path]:
  """Returns where the files of an index are, by their names in it."""
  names = sorted(set(names))
  for name in names:
    check_beside(source, name)
  paths = {name: source.path.parent / name for name in names}
  missing = [name for name, path in paths.items() if not path.is_file()]
  if missing:
    raise source.bad(
      f"of its {len(names)} files {len(missing)} are missing: "
      f"{', '.join(missing[:_SHOWN])}",
      "all of them beside it",
      "Get the others too.",
    )
  return paths


def check_beside(source: Source, name: str) -> None:
  """Raises an error for a name that is not one of a file in the same folder."""
  plain = pathlib.PurePosixPath(name).name == name
  if not plain or name in ("", "..") or "\\" in name or "\0" in name:
    raise source.bad(
      f"it leads to {name[:80]!r}",
      "names of files in its own folder",
      "Do not use this file: it leads out of its folder.",
    )


def parsed(source: Source) -> dict[str, Any]:
  """Returns a JSON object from a file.

  Raises:
    UserError: if it is none.
  """
  if source.size > LARGEST:
    raise source.bad(f"it has {source.size:,} bytes", "some JSON")
  try:
    content = json.loads(source.read(0, source.size).decode("utf-8"))
  except (ValueError, RecursionError) as error:
    raise source.bad(f"it is no JSON ({error})", "JSON") from error
  if not isinstance(content, dict):
    raise malformed(source.path, "it is no JSON object", "one")
  return content


def _check_names(
  source: Source, places: Mapping[str, str], shards: Mapping[str, Tensors]
) -> None:
  absent = [x for x, shard in places.items() if x not in shards[shard]]
  more = [
    x
    for shard, tensors in shards.items()
    for x in tensors
    if places.get(x) != shard
  ]
  if absent or more:
    raise source.bad(
      f"its files have {len(absent)} tensors too few and {len(more)} too many "
      f"({', '.join((absent + more)[:_SHOWN])})",
      "those that it lists",
      "Get the index and its files anew: they are not of one model.",
    )
