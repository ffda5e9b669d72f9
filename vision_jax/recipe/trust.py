"""Whose code a workdir's copy of its config file is.

A workdir is code: its `config.py` runs when it is evaluated or resumed. So that
a stranger's does not, training lists the hash of every config that it has
written in this user's cache folder, one a line, and only what is listed there,
or equals a file of ours, runs unasked.
"""

import difflib
import os
import pathlib

from vision_jax.errors import UserError
from vision_jax.recipe import config_file, places

SHOWN = 3  # lines of a difference


def trust_file() -> pathlib.Path | None:
  """The list of hashes; None where the user has no home folder."""
  given = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
  folder = pathlib.Path(given)
  return folder / "vision_jax/configs.txt" if folder.is_absolute() else None


def remember(source: str) -> None:
  """Lists a config's text as one that this user trains.

  A list that cannot be written is no reason to stop a run: the workdir then
  asks for --trust_workdir.
  """
  file = trust_file()
  if file is None or is_listed(source):
    return
  try:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a", encoding="ascii") as lines:
      lines.write(config_file.sha256(source) + "\n")
  except OSError:
    pass


def is_listed(source: str) -> bool:
  """Whether this user has trained a config of this very text."""
  file = trust_file()
  try:
    return (
      file is not None
      and config_file.sha256(source) in file.read_text(encoding="ascii").split()
    )
  except (OSError, UnicodeDecodeError):
    return False


def check(workdir: os.PathLike[str], path: str, copy: str) -> None:
  """Refuses a workdir's copy that is neither ours nor this user's.

  Args:
    workdir: the run's folder.
    path: the config file's path, as the workdir names it.
    copy: text of the workdir's config.py.

  Raises:
    UserError: saying that a workdir is code, and what differs.
  """
  ours = places.installed(path)
  if is_listed(copy) or (ours and ours.read_text(encoding="utf-8") == copy):
    return
  raise UserError(
    f"--workdir: {workdir} is code: its config.py would run, and no training "
    f"of yours has written it ({_difference(ours, path, copy)}). Read "
    f"{workdir}/config.py first; if you trust it, add --trust_workdir."
  )


def _difference(ours: pathlib.Path | None, path: str, copy: str) -> str:
  if ours is None:
    return f"there is no config of this package at {path}"
  before = ours.read_text(encoding="utf-8").splitlines()
  lines = [
    line
    for line in difflib.unified_diff(before, copy.splitlines(), n=0)
    if line[0] in "+-" and line[:3] not in ("+++", "---")
  ]
  shown = "; ".join(repr(line) for line in lines[:SHOWN])
  more = ", ..." * (len(lines) > SHOWN)
  return f"it differs from {path} in {len(lines)} lines: {shown}{more}"
