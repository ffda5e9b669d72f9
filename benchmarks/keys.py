"""What the keys of configs mean, found where that is written.

Nothing is said here. A docstring tells of keys as `base_config`'s does, in a
paragraph of "key, key: meaning. key: meaning."; of a config's key the first of
these counts:

1. `get_config` of the config, which has the keys of that config alone;
2. the functions and modules that it imports from the library, such as
   `segmentation_config`, and the module that it comes from;
3. `vision_jax/pipelines/values.py`, which has the names that configs use alike;
4. the class that reads such keys, as `LabelData.of` does: the attribute's line;
5. what the config file gives the key to: the argument's line;
6. likewise, of a key that is a part of the argument.

Where that says "see `NAME`", what NAME says of the key.
"""

import ast
import functools
import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks import environment
from benchmarks.docstrings import found_in, lines_of, stated
from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.experiment import base_config
from vision_jax.pipelines import values as usual
from vision_jax.pipelines.augmentation import Augmentation
from vision_jax.recipe import recipe, variants
from vision_jax.recipe.values import Value, flat

BLOCKS = {"augment": Augmentation, "preprocess": Preprocess}
LIBRARY = "vision_jax."
PLAIN = ("tuple", "map", "max", "min")  # calls that are no more than values
_SEE = re.compile(r"(?:see|as of|as) `(?:\w+\.)*(\w+)`")


class Meaning(NamedTuple):
  """What a key means, and the file that says so, from the root."""

  text: str
  file: str


class Keys(NamedTuple):
  """A config's keys: their values, and their meanings, if there are any.

  And the names of its variants.
  """

  values: Mapping[str, Value]
  meanings: Mapping[str, Meaning]
  variants: tuple[str, ...]


@functools.cache
def keys_of(path: str) -> Keys:
  """Returns the keys of a config file as it stands, blocks by dotted names."""
  found = recipe.load(str(environment.ROOT / path), resolve=False)
  values = flat(found.config.to_dict())
  meanings: dict[str, Meaning] = {}
  for texts, file in _sources(found.module, path):
    for key in values.keys() & texts.keys() - meanings.keys():
      meanings[key] = Meaning(texts[key], file)
  meanings = {key: _followed(key, x) for key, x in meanings.items()}
  return Keys(values, meanings, variants.names(found.module, path))


def _sources(
  module: types.ModuleType, path: str
) -> Iterator[tuple[Mapping[str, str], str]]:
  """Yields key -> meaning, and the file, from what counts most to least."""
  yield stated(module.get_config.__doc__), path
  imported = [x for x in vars(module).values() if _is_ours(x)]
  makers = [y for x in imported for y in _makers(x)]
  for thing in dict.fromkeys([*makers, base_config, *imported]):
    yield stated(thing.__doc__), _file(thing)
    yield stated(sys.modules[_module(thing)].__doc__), _file(thing)
  yield stated(usual.__doc__), _file(usual)
  for block, thing in BLOCKS.items():
    lines = {f"{block}.{k}": x for k, x in lines_of(thing).items()}
    yield lines, _file(thing)
  for thing in imported:
    if hasattr(thing, "of"):
      yield lines_of(thing), _file(thing)
  yield from _given(module, path)


def _makers(thing: Any) -> Iterator[Any]:
  """Yields a function `*_config`, and those that its docstring builds it on."""
  if thing.__name__.endswith("_config"):
    yield thing
    module = sys.modules[_module(thing)]
    for name in re.findall(r"Returns `(\w+_config)`", thing.__doc__ or ""):
      yield from _makers(getattr(module, name))


def _is_ours(thing: Any) -> bool:
  kinds = (inspect.ismodule, inspect.isclass, inspect.isroutine)
  named = any(kind(thing) for kind in kinds)
  return named and _module(thing).startswith(LIBRARY)


def _module(thing: Any) -> str:
  """Returns the name of the module that something is, or comes from."""
  own = "__name__" if inspect.ismodule(thing) else "__module__"
  return getattr(thing, own, None) or ""


def _file(thing: Any) -> str:
  return _module(thing).replace(".", "/") + ".py"


def _given(
  module: types.ModuleType, path: str
) -> Iterator[tuple[Mapping[str, str], str]]:
  """Yields what is said of the arguments that keys are, then are a part of."""
  tree = ast.parse((environment.ROOT / path).read_text("utf-8"))
  called, known = [], _named(tree)
  for call in ast.walk(tree):
    if isinstance(call, ast.Call):
      thing, given = _called(call, module)
      if _is_ours(thing):
        called.append((lines_of(thing), _file(thing), given))
  for lines, file, given in called:
    for name, value in given:
      key = _key(value, known)
      if key and name in lines:
        yield {key: lines[name]}, file
  for lines, file, given in called:
    for name, value in given:
      if name in lines:
        text = f"part of `{name}`: {lines[name]}"
        yield dict.fromkeys(_keys(value, known), text), file


def _named(tree: ast.AST) -> dict[str, ast.expr]:
  """Returns what local names stand for: `w = config.width`, in tuples too."""
  found = {}
  for node in ast.walk(tree):
    if isinstance(node, ast.Assign):
      left, right = node.targets[0], node.value
      several = isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple)
      pairs = zip(left.elts, right.elts, strict=True) if several else ()
      for name, value in [*pairs, (left, right)]:
        if isinstance(name, ast.Name):
          found[name.id] = value
  return found


def _called(
  call: ast.Call, module: types.ModuleType
) -> tuple[Any, list[tuple[str, ast.expr]]]:
  """Returns what is called, and (its argument's name, what that is given)."""
  thing, positional = _object(call.func, module), call.args
  if thing is functools.partial:
    thing, positional = _object(positional[0], module), positional[1:]
  given = []
  for x in positional:  # `f(*(a, b), c)`, too; of `f(*x)` no more is known
    inner = getattr(x.value, "elts", None) if _starred(x) else [x]
    if inner is None:
      break
    given += inner
  named = [(x.arg, x.value) for x in call.keywords if x.arg]
  try:
    order = [*inspect.signature(thing).parameters]
  except (TypeError, ValueError):
    order = []
  while isinstance(thing, functools.partial):  # such as a net's variant
    thing = thing.func
  return thing, [*zip(order, given, strict=False), *named]


def _starred(node: ast.expr) -> bool:
  return isinstance(node, ast.Starred)


def _object(node: ast.expr, module: types.ModuleType) -> Any:
  """Returns what a name in a config file is; None where it is not known."""
  if isinstance(node, ast.IfExp):
    return _object(node.body, module)
  if isinstance(node, ast.Attribute):
    return getattr(_object(node.value, module), node.attr, None)
  return getattr(module, node.id, None) if isinstance(node, ast.Name) else None


def _keys(node: ast.AST, known: Mapping[str, ast.expr]) -> set[str]:
  """Returns each KEY of which `config.KEY` is a part of an argument.

  Not what another call is given in it: that has lines of its own.
  """
  if key := _key(node, known):
    return {key}
  if isinstance(node, ast.Name) and node.id in known:
    rest = {k: x for k, x in known.items() if k != node.id}
    return _keys(known[node.id], rest)
  if isinstance(node, ast.IfExp):  # which a key may decide
    return _keys(node.body, known) | _keys(node.orelse, known)
  inner = isinstance(node, ast.Call) and ast.unparse(node.func) not in PLAIN
  parts = () if inner else ast.iter_child_nodes(node)
  return {key for part in parts for key in _keys(part, known)}


def _key(node: ast.AST, known: Mapping[str, ast.expr]) -> str | None:
  """Returns KEY of `config.KEY`, `tuple(config.KEY)`, `config.KEY or x`.

  And of a local name that is `known` to be one.
  """
  if isinstance(node, ast.Name):
    rest = {k: x for k, x in known.items() if k != node.id}
    return _key(known[node.id], rest) if node.id in known else None
  if isinstance(node, ast.BoolOp):
    return _key(node.values[0], known)
  if isinstance(node, ast.Call) and len(node.args) == 1:
    inner = ast.unparse(node.func) == "tuple"
    return _key(node.args[0], known) if inner else None
  named = isinstance(node, ast.Attribute) and ast.unparse(node.value)
  return node.attr if named == "config" else None


def _followed(key: str, meaning: Meaning) -> Meaning:
  """Returns what is meant by "see `NAME`", if NAME says it of the key."""
  if not (see := _SEE.match(meaning.text)):
    return meaning
  last = key.rpartition(".")[2]
  for file, lines in found_in(see[1]):
    if last in lines:
      return _followed(key, Meaning(lines[last], file))
  return meaning
