"""Where config files are: in the working folder, and with this package."""

import difflib
import os
import pathlib

from vision_jax.errors import UserError
from vision_jax.paths import absolute

PACKAGE = pathlib.Path(__file__).parents[1]
# Holds `configs` and `third_party`: the package once it is installed, the
# repository in a checkout, be it installed with `pip install -e` or not.
HOME = PACKAGE if (PACKAGE / "configs").is_dir() else PACKAGE.parent


def split(name: str) -> tuple[str, str]:
  """Returns (PATH, VARIANT) of "PATH" or "PATH:VARIANT"; a folder may have `:`.

  The variant of "PATH" is "full".
  """
  folder, slash, last = name.rpartition("/")
  file, _, variant = last.partition(":")
  return folder + slash + file, variant or "full"


def names_variant(name: str) -> bool:
  """Whether a name is "PATH:VARIANT", not "PATH" alone."""
  return bool(name.rpartition("/")[2].partition(":")[2])


def look(path: str) -> pathlib.Path | None:
  """Finds a config file: in the working folder, else with this package."""
  file = pathlib.Path(absolute(path))
  return file if file.is_file() else installed(path)


def installed(path: str) -> pathlib.Path | None:
  """Finds a config file among those that come with this package alone."""
  file = HOME / path
  return file if file.is_file() and _inside(file, HOME / "configs") else None


def passed_over(name: str) -> str | None:
  """Returns a note where both the working folder and the package have a file.

  Args:
    name: "PATH" or "PATH:VARIANT".

  Returns:
    A line; None where there is no choice.
  """
  path, _ = split(name)
  file, ours = look(path), installed(path)
  if file is None or ours is None or file.samefile(ours):
    return None
  return (
    f"--config: {path} is {file.absolute()}, of the working folder; the "
    f"package's own is {ours}."
  )


def canonical(path: str) -> str:
  """Names a config file independently of the working folder.

  Ours are `configs/...` on every machine, others have their absolute path.
  """
  file = look(path)
  if file is None:
    ours = pathlib.PurePath(path).parts[:1] == ("configs",)
    return path if ours else absolute(path)
  if _inside(file, HOME / "configs"):
    inside = os.path.relpath(
      os.path.realpath(file), os.path.realpath(HOME / "configs")
    )
    return f"configs/{inside}"
  return str(file.absolute())


def named(name: str) -> pathlib.Path:
  """Returns the place of a canonical name, whether there is a file or not."""
  return HOME / name


def same(path: str, name: str) -> bool:
  """Whether a path leads to the file of a canonical name, there or gone."""
  real = lambda name: os.path.realpath(named(name))
  return real(canonical(path)) == real(name)


def read(path: str) -> str:
  """Returns a config file's text.

  Raises:
    UserError: naming the nearest where there is none, or why it is unreadable.
  """
  file = look(path)
  if file is None:
    _raise_missing(path)
  try:
    return file.read_text(encoding="utf-8")
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
      f"--config: {file} cannot be read ({error}); expected a Python file in "
      "UTF-8 with get_config() and build(config)."
    ) from error


def _raise_missing(path: str) -> None:
  files = sorted((HOME / "configs").glob("*/*.py"))
  names = [str(file.relative_to(HOME)) for file in files]
  near = difflib.get_close_matches(path, names, 1, 0.0)
  raise UserError(
    f"--config: there is no file {path}"
    + (f"; did you mean {near[0]}?" if near else ".")
  )


def _inside(file: pathlib.Path, folder: pathlib.Path) -> bool:
  real = pathlib.Path(os.path.realpath(file))
  return real.is_relative_to(os.path.realpath(folder))
