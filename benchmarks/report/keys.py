"""The page of every config's keys: what they mean, and their values."""

import collections
import pathlib
from collections.abc import Mapping, Sequence

from benchmarks import keys
from benchmarks.report import markdown as md
from benchmarks.report import recipes
from vision_jax.errors import UserError

PAGE = "configs/KEYS.md"
LONGEST = 48  # letters of a value that are shown
FEW = 3  # configs that have a value and are named, where others have another
HEAD = """\
# The keys of the configs

`--config.KEY=VALUE` changes a value, and `--mode=show --config=PATH` prints
those of one config with what gave each. Here is every key of every config as it
stands, without its variants: what it means, the file that says so, and which
configs have which value. A key that means one thing here and another there has
a line for each. A config is named as its file is. Written by
`python -m benchmarks.report --write` from the docstrings: a key that none of
them tells of is an error there.
"""
SECTIONS = ("Of every config", "Of several configs", "Of one config")
COLUMNS = ("key", "what", "values")

Known = Mapping[str, keys.Keys]


def page() -> str:
  """Returns the page.

  Raises:
    UserError: naming the configs and keys that nothing is said of.
  """
  paths = [path for some in recipes.configs().values() for path in some]
  known = {path: keys.keys_of(path) for path in paths}
  if unsaid := [*_unsaid(known)]:
    raise UserError(
      f"{'; '.join(unsaid)}: no docstring says what this means; expected a "
      'line "KEY: meaning." in that of the config\'s get_config, or of what it '
      "is made with, see benchmarks/keys.py."
    )
  names = _names(paths)
  counts = collections.Counter(key for x in known.values() for key in x.values)
  sections = {title: [] for title in SECTIONS}
  for (key, meaning), group in sorted(_groups(known).items()):
    row = [md.code(key), _what(meaning), _values(key, group, known, names)]
    sections[_section(counts[key], len(paths))].append(row)
  parts = [
    f"## {title}\n\n{md.table(COLUMNS, rows)}"
    for title, rows in sections.items()
    if rows
  ]
  return "\n".join([HEAD, *parts])


def _unsaid(known: Known):
  for path, found in known.items():
    if absent := sorted(found.values.keys() - found.meanings.keys()):
      yield f"{path}: {', '.join(absent)}"


def _names(paths: Sequence[str]) -> dict[str, str]:
  """Returns what each config is called: by its file, if that is but one."""
  stems = collections.Counter(pathlib.PurePath(x).stem for x in paths)
  short = lambda path: pathlib.PurePath(path).stem
  long = lambda path: path.removeprefix("configs/").removesuffix(".py")
  return {x: short(x) if stems[short(x)] == 1 else long(x) for x in paths}


def _groups(known: Known) -> dict[tuple[str, keys.Meaning], list[str]]:
  """Returns the configs in which a key means that."""
  groups = collections.defaultdict(list)
  for path, found in known.items():
    for key in found.values:
      groups[key, found.meanings[key]].append(path)
  return groups


def _section(count: int, every: int) -> str:
  all_of_them, several, one = SECTIONS
  return all_of_them if count == every else one if count == 1 else several


def _what(meaning: keys.Meaning) -> str:
  name = pathlib.PurePath(meaning.file).name
  return f"{md.prose(meaning.text)} ([{name}](../{meaning.file}))"


def _values(
  key: str,
  group: Sequence[str],
  known: Known,
  names: Mapping[str, str],
) -> str:
  """Says which configs have which value, the most frequent last."""
  having = collections.defaultdict(list)
  for path in group:
    having[_shown(known[path].values[key])].append(names[path])
  if len(having) == 1:
    ((value, found),) = having.items()
    every = len(found) == len(known)
    return value if every else f"{value}: {_some(found)}"
  most = max(having, key=lambda value: len(having[value]))
  parts = [
    f"{value}: {', '.join(map(md.escape, found))}"
    for value, found in having.items()
    if value != most
  ]
  rest = having[most]
  last = f"the other {len(rest)}" if len(rest) > FEW else _some(rest)
  return "; ".join([*parts, f"{most}: {last}"])


def _some(found: Sequence[str]) -> str:
  return ", ".join(map(md.escape, found))


def _shown(value: object) -> str:
  text = repr(value)
  return md.code(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
