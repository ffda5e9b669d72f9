"""Local paths as a user writes them, made absolute once at the door."""

import os
import pathlib
import re
from collections.abc import Sequence

from etils import epath

from vision_jax.errors import UserError

# Values of a config that name a folder or a file.
CONFIG_KEYS = (
  *(
    "a",
    "annotations",
    "autoencoder",
    "b",
    "data_dir",
    "depths",
    "generated",
    "images",
    "inception",
    "init_from",
    "judge",
    "lexicon",
    "lpips",
    "lpips_net",
    "masks",
    "painting",
    "reference",
    "styles",
  ),
  "tokenizer",
)
GLOB = "[]*?"


def absolute(path: str) -> str:
  """Returns a path that no longer depends on the working folder.

  `~` is the home folder, and $NAME a variable of the environment, where there
  is one: a command that is kept need not name the machine's own places. Object
  stores (gs://...) and "" stay as they are; `..` stays too, as a link before it
  may lead elsewhere.

  Raises:
    UserError: if `~` cannot be expanded.
  """
  path = os.path.expandvars(path)
  if not path or "://" in path:
    return path
  expanded = os.path.expanduser(path)
  if expanded.startswith("~"):
    raise UserError(
      f"{path}: this machine knows no home folder {path.split('/')[0]!r} (HOME "
      "is not set, or there is no such user); write the path out."
    )
  return str(pathlib.Path(expanded).absolute())


def of_parts(flag: str, texts: Sequence[str]) -> dict[str, str]:
  """Returns what --FLAG=PATH and --FLAG=PART=PATH say: part -> absolute path.

  Raises:
    UserError: if a part is there twice, or has no path.
  """
  found = {}
  for text in texts:
    part, path = of_part(text)
    if not path:
      raise UserError(f"--{flag}={text}: got no path; expected one behind it.")
    if found.setdefault(part, path) != path:
      raise UserError(
        f"--{flag}: got {path} for {part or 'all nets'}, and {found[part]} "
        "too; expected one path for each part. Leave one of them out."
      )
  return found


def of_part(text: str) -> tuple[str, str]:
  """Splits PART=PATH into the two; a path alone is of the part "".

  Where a path with "=" in it exists, it is one; so is one that begins with a
  place, such as /, ./ or gs://. The path becomes absolute.
  """
  part, equals, path = text.partition("=")
  named = equals and part and not re.match(r"[./~$]|\w+://", part)
  if not named or pathlib.Path(text).exists():
    return "", absolute(text)
  return part, absolute(path)


def folder(flag: str, path: epath.PathLike) -> epath.Path:
  """Returns a folder of checkpoints, wherever we are.

  Raises:
    UserError: if checkpoints could not be read from there.
  """
  place = absolute(os.fspath(path))
  check_no_glob(flag, place)
  return epath.Path(place)


def check_no_glob(flag: str, path: str) -> None:
  """Refuses a folder that checkpoints cannot be read from.

  orbax takes the folder's whole path for a pattern of file names.

  Raises:
    UserError: naming the characters.
  """
  if found := sorted(set(path) & set(GLOB)):
    raise UserError(
      f"--{flag}: {path} has {' '.join(found)} in it; expected a path without "
      f"{' '.join(GLOB)}, with which checkpoints could be written and not "
      "read. Rename the folder, or choose another one."
    )
