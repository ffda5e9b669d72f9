"""What docstrings say of names: of arguments, of attributes, of keys.

Two forms: the lines below "Args:" or "Attributes:", and a paragraph of "name,
name: meaning. name: meaning.", as in `base_config`.
"""

import ast
import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import environment

_NAMES = r"(?:[a-z]\w*, )*[a-z]\w*"
_STATED = re.compile(rf"(?:^|(?<=[.;] ))({_NAMES}): ")
_LINE = re.compile(rf"({_NAMES}): (.*)", re.DOTALL)


@functools.cache
def stated(docstring: str | None) -> Mapping[str, str]:
  """Returns key -> meaning, of a docstring's paragraphs that tell of keys."""
  found = {}
  for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(docstring or "")):
    text = " ".join(paragraph.split())
    if not _STATED.match(text):
      continue
    _, *parts = _STATED.split(text)
    for names, meaning in zip(parts[::2], parts[1::2], strict=True):
      found |= dict.fromkeys(names.split(", "), _clean(meaning))
  return found


@functools.cache
def lines_of(thing: Any) -> Mapping[str, str]:
  """Returns name -> meaning, of the arguments or attributes in a docstring.

  Of a class, with those of the classes that it is made of.
  """
  found = {}
  for each in inspect.getmro(thing) if inspect.isclass(thing) else [thing]:
    found = _lines(getattr(each, "__doc__", None)) | found
  return found


def _lines(docstring: str | None) -> dict[str, str]:
  found, inside = {}, False
  text = inspect.cleandoc(docstring or "")
  for entry in re.split(r"\n(?=\S|  \S)", text):
    if not entry.startswith("  "):
      inside = entry.strip() in ("Args:", "Attributes:")
    elif inside and (line := _LINE.match(entry.strip())):
      meaning = _clean(line[2])
      found |= dict.fromkeys(line[1].split(", "), meaning)
  return found


def _clean(text: str) -> str:
  return " ".join(text.split()).removesuffix(".").strip()


@functools.cache
def found_in(name: str) -> Sequence[tuple[str, Mapping[str, str]]]:
  """Returns (file, name -> meaning) of each class or function of that name."""
  found = []
  for file in _files().get(name, ()):
    text = (environment.ROOT / file).read_text("utf-8")
    for node in ast.parse(text).body:
      if getattr(node, "name", None) == name:
        docstring = ast.get_docstring(node)
        found.append((file, {**_lines(docstring), **stated(docstring)}))
  return found


@functools.cache
def _files() -> Mapping[str, list[str]]:
  """Returns the library's files that define a class or function, by name."""
  found: dict[str, list[str]] = {}
  for path in sorted((environment.ROOT / "vision_jax").rglob("*.py")):
    text = path.read_text("utf-8")
    for name in re.findall(r"^(?:class|def) (\w+)", text, re.MULTILINE):
      file = path.relative_to(environment.ROOT).as_posix()
      found.setdefault(name, []).append(file)
  return found
