"""Files that predictions and samples leave: none overwrites another."""

import collections
import pathlib
import re
from collections.abc import Sequence

from etils import epath

from vision_jax.errors import UserError

SHOWN = 3


def names(files: Sequence[pathlib.Path], root: pathlib.Path) -> list[str]:
  """Returns a name for each image's outputs, all different.

  Its path in `root` without its suffix; whole where that is another image's
  too (cell.jpg and cell.png), in small letters or capitals, as some file
  systems do not tell them apart.
  """
  whole = [file.relative_to(root).as_posix() for file in files]
  plain = [
    name.removesuffix(pathlib.PurePosixPath(name).suffix) for name in whole
  ]
  stems = collections.Counter(name.casefold() for name in plain)
  taken = {name.casefold() for name in whole}
  single = lambda s: stems[s.casefold()] == 1 and s.casefold() not in taken
  pairs = zip(plain, whole, strict=True)
  return [name if single(name) else long for name, long in pairs]


def safe_names(names: Sequence[str]) -> list[str]:
  """Returns a folder's name for each of some classes, all different.

  What may not be in a file's name on some system becomes "_"; one that is
  another's then, in small letters or capitals, has its number before it.
  """
  plain = [re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", name) for name in names]
  plain = [re.sub(r"^[. ]+|[. ]+$", "_", name) or "_" for name in plain]
  counts = collections.Counter(name.casefold() for name in plain)
  single = lambda name: counts[name.casefold()] == 1
  return [
    name if single(name) else f"{i}_{name}" for i, name in enumerate(plain)
  ]


def check_fresh(folder: epath.PathLike, pattern: str) -> None:
  """Refuses a folder with the results of an earlier call.

  Args:
    folder: the folder to write to.
    pattern: regular expression of the names that are written there.

  Raises:
    UserError: naming some of what is there.
  """
  folder = epath.Path(folder)
  if not folder.exists():
    return
  if not folder.is_dir():
    raise UserError(f"--output: {folder} is a file; expected a folder.")
  there = (path.name for path in folder.iterdir())
  if old := sorted(name for name in there if re.fullmatch(pattern, name)):
    shown = ", ".join(old[:SHOWN]) + ", ..." * (len(old) > SHOWN)
    raise UserError(
      f"--output: {folder} holds results of an earlier call ({shown}), which "
      "these would overwrite or lie between. Choose another folder, or remove "
      "them."
    )
