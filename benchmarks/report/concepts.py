"""The page of recipes and of concepts, to their commands, numbers and tests."""

import os
from collections.abc import Sequence

from benchmarks import concept
from benchmarks.concept import Concept
from benchmarks.report import markdown as md
from benchmarks.report import recipes
from benchmarks.report.tables import value
from benchmarks.result import Result

PAGE = "configs/README.md"
HEAD = """\
# Configs, and what each concept of a course is here

A file here is an experiment: its docstring says what it reaches, on what data,
and how long it takes. `python -m vision_jax.main --config=PATH --workdir=OUT`
trains it. First the recipes, then [the concepts](#concepts); words in capitals
are yours. [CHOOSING.md](CHOOSING.md) says which to take, [KEYS.md](KEYS.md)
what their keys mean. Written by `python -m benchmarks.report --write` from the
configs, the committed results, and `benchmarks/concepts`.
"""
CONCEPTS = """\
## Concepts

Of each concept below: what it is, in the words of its source; flags of
`python -m vision_jax.main`, which takes a `--workdir` too, or another module;
a number, from the committed results of a benchmark row or from a test by hand;
and the tests that show it. Adding a line to `benchmarks/concepts` is all that a
new one needs.
"""
COLUMNS = ("concept", "what", "command", "number", "test")


def page(results: Sequence[Result]) -> str:
  """Returns the page.

  Args:
    results: the newest ones, see `pages.newest`.
  """
  known = {x.row.name: x for x in results if x.values and not x.changed}
  parts = [HEAD, recipes.section(known), CONCEPTS]
  for title, found in concept.every().items():
    rows = [_cells(one, known) for one in found]
    parts.append(f"### {title}\n\n{md.table(COLUMNS, rows)}")
  return "\n".join(parts)


def _cells(one: Concept, known: dict[str, Result]) -> list[str]:
  tests = ", ".join(_link(x.split("::")[1], x) for x in one.each_test)
  main = one.called.startswith("-")
  command = one.called if main else f"python -m {one.called}"
  return [
    _link(md.escape(one.name), one.file),
    md.prose(one.what),
    md.code(command),
    _number(one, known),
    tests,
  ]


def _number(one: Concept, known: dict[str, Result]) -> str:
  if one.number:
    return md.escape(one.number)
  if one.row not in known:
    return f"not run here, {md.code(one.row)}"
  found = known[one.row]
  return (
    f"{value(found, found.mean)} {md.escape(found.row.unit)}, "
    f"{md.code(found.row.metric)} of {md.code(one.row)}"
  )


def _link(text: str, place: str) -> str:
  path = place.split("::")[0]
  return f"[{text}]({os.path.relpath(path, os.path.dirname(PAGE))})"
