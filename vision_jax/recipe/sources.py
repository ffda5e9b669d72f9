"""Which files of ours a config is made of, and their hashes."""

import functools
import hashlib
import pathlib
import re
from collections.abc import Iterable, Mapping

from vision_jax.recipe.places import HOME, PACKAGE, installed

_NAME = PACKAGE.name
_FROM = re.compile(
  rf"^[ \t]*from[ \t]+({_NAME}[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)", re.M
)
_WHOLE = re.compile(rf"^[ \t]*import[ \t]+({_NAME}[\w.]*)", re.M)
_CONFIG = re.compile(r"\bconfigs/\w+/\w+\.py\b")  # of an extractor
_DOTTED = re.compile(rf"\b{_NAME}(?:\.\w+)+")


def sources(name: str, text: str, also: Iterable[str] = ()) -> dict[str, str]:
  """Returns the hashes of a config and of our files that it imports.

  Those that these import, too, wherever in them the import stands, and the
  configs that they name, of nets which metrics are measured with. Costs a few
  hundredths of a second once, as the files are searched, not run.

  Args:
    name: the config's name.
    text: its file's text.
    also: dotted names of modules that count as imported.

  Returns:
    SHA-256 by name, ours as `vision_jax/models/cnn.py`.
  """
  waiting, found = {*imported(text), *map(_file, also)} - {None}, {}
  while waiting:
    file = waiting.pop()
    found[file], further = read(file)
    waiting |= further - found.keys()
  ours = {_name(file): found[file] for file in sorted(found)}
  return {name: _sha256(text.encode())} | ours


def digest(hashes: Mapping[str, str]) -> str:
  """Returns one hash of several."""
  text = "".join(f"{name} {x}\n" for name, x in sorted(hashes.items()))
  return _sha256(text.encode())


def imported(text: str) -> set[pathlib.Path]:
  """Returns our files that a text imports, with the packages they lie in."""
  modules = set()
  for module, names in _FROM.findall(text):
    words = re.sub(r"#[^\n]*|\bas\s+\w+|[(),]", " ", names).split()
    modules |= {module, *(f"{module}.{word}" for word in words)}
  whole = _WHOLE.findall(text)
  modules |= {*whole, *(_DOTTED.findall(text) if _NAME in whole else ())}
  parents = {
    ".".join(words[:end])
    for words in (module.split(".") for module in modules)
    for end in range(1, len(words) + 1)
  }
  return {*map(_file, parents)} - {None}


@functools.cache
def _file(module: str) -> pathlib.Path | None:
  """Returns the file of a module; None where the name is of something in it."""
  place = PACKAGE.parent.joinpath(*module.split("."))
  candidates = (place.with_suffix(".py"), place / "__init__.py")
  return next((file for file in candidates if file.is_file()), None)


@functools.cache
def read(file: pathlib.Path) -> tuple[str, frozenset[pathlib.Path]]:
  """Returns a file's hash, and our files that it imports."""
  content = file.read_bytes()
  text = content.decode()
  configs = {installed(path) for path in _CONFIG.findall(text)} - {None}
  return _sha256(content), frozenset(imported(text) | configs)


def _name(file: pathlib.Path) -> str:
  """Returns a name that is the same wherever the package is."""
  inside = file.is_relative_to(HOME / "configs")
  return file.relative_to(HOME if inside else PACKAGE.parent).as_posix()


def _sha256(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()
