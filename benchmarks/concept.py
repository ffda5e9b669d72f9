"""A concept of a course, as data: where it is, its command, number and test.

Adding a line to a file in `concepts`, or a file with `CONCEPTS`, is all that a
new one needs; `python -m benchmarks.report --write` then writes it into
configs/README.md.
"""

import ast
import dataclasses
import functools
import importlib
import pkgutil
import re
from collections.abc import Mapping
from types import MappingProxyType

from benchmarks import concepts, environment, execute
from benchmarks.row import Row
from benchmarks.suite import row_named
from vision_jax.errors import UserError

ROOT = environment.ROOT


@dataclasses.dataclass(frozen=True)
class Concept:
  """One line of the table.

  Attributes:
    name: as courses call it.
    source: where it is, "MODULE:NAME" or "MODULE"; the first sentence of its
      docstring says what it is.
    tests: those that show it, "tests/FOLDER/FILE.py::FUNCTION"; one or more,
      with a comma between.
    command: flags of vision_jax.main, or "MODULE FLAGS" of another; "" is what
      trains or imports the row.
    row: the benchmark row whose committed result is its number.
    number: or what one finds by hand: each number in it stands in a test.
  """

  name: str
  source: str
  tests: str
  command: str = ""
  row: str = ""
  number: str = ""

  def __post_init__(self):
    if bool(self.row) == bool(self.number):
      raise UserError(
        f"concept {self.name!r}: got the row {self.row!r} and the number "
        f"{self.number!r}; expected one of both."
      )
    if not (self.command or self.row):
      raise UserError(
        f"concept {self.name!r}: got neither command nor row; expected one."
      )

  @property
  def file(self) -> str:
    """The source's path, from the repository's root."""
    path = self.source.partition(":")[0].replace(".", "/")
    package = ROOT / path / "__init__.py"
    return f"{path}/__init__.py" if package.is_file() else f"{path}.py"

  @property
  def what(self) -> str:
    """The first sentence of the source's docstring.

    Raises:
      UserError: without the source, or where it says nothing.
    """
    name = self.source.partition(":")[2]
    tree = _tree(self.file)
    node = find(tree, name) if name else tree
    text = ast.get_docstring(node) if node else None
    if not text:
      raise UserError(
        f"concept {self.name!r}: {self.source} has no docstring, or is not "
        "there; expected one that says what it is."
      )
    first = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", first)[0].rstrip(".:") + "."

  @property
  def called(self) -> str:
    """The command as it is shown, without `python -m vision_jax.main`."""
    return self.command or trains(row_named(self.row))

  @property
  def each_test(self) -> list[str]:
    """The tests one by one."""
    return [test.strip() for test in self.tests.split(",")]


def trains(row: Row) -> str:
  """Returns the flags that train a row, or import its file."""
  variant = f":{row.variant}" if row.variant else ""
  if execute.imports(row, row.variant):
    given = f"--source={row.source} --file={row.file}"
    return f"--mode=import {given} --output=WORKDIR"
  own = ["--config.data_dir=MY_DATA"] if row.own else []
  given = [f"--config.{k}={x}" for k, x in row.overrides.items()]
  return " ".join([f"--config={row.config}{variant}", *own, *given])


def test_source(test: str) -> str:
  """Returns the text of a test function.

  Raises:
    UserError: where there is none.
  """
  path, _, name = test.partition("::")
  node = find(_tree(path), name)
  if node is None:
    raise UserError(f"{test}: {path} has no {name}; expected a test's name.")
  first = min([node, *node.decorator_list], key=lambda x: x.lineno).lineno
  lines = (ROOT / path).read_text("utf-8").splitlines()
  return "\n".join(lines[first - 1 : node.end_lineno])


def numbers(text: str) -> list[str]:
  """Returns the numbers in a text, without what groups their digits."""
  plain = re.sub(r"(?<=\d)[_,](?=\d{3})", "", text)
  return re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?!\w)", plain)


def find(tree: ast.Module, name: str) -> ast.AST | None:
  """Returns the function or class of a module that has a name."""
  kinds = ast.FunctionDef | ast.ClassDef
  named = (x for x in tree.body if isinstance(x, kinds) and x.name == name)
  return next(named, None)


@functools.cache
def _tree(path: str) -> ast.Module:
  file = ROOT / path
  if not file.is_file():
    raise UserError(f"concepts: there is no file {path}; expected one.")
  return ast.parse(file.read_text("utf-8"))


def every() -> Mapping[str, tuple[Concept, ...]]:
  """Returns the concepts of each file, by the first line of its docstring."""
  names = [file.name for file in pkgutil.iter_modules(concepts.__path__)]
  first = [name for name in concepts.FIRST if name in names]
  found = {}
  for name in dict.fromkeys([*first, *names]):
    module = importlib.import_module(f"{concepts.__name__}.{name}")
    found[module.__doc__.strip().splitlines()[0].rstrip(".")] = module.CONCEPTS
  return MappingProxyType(found)
