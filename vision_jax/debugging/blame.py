"""Which operation makes the first value that is not finite, and in which line.

A function is traced once and its operations are done one by one, without jit.
Each value that is not finite remembers where it has come from, so that an
infinity that means "masked" and ends in a finite result is not blamed.
"""

import dataclasses
import itertools
import linecache
import pathlib
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np

LIBRARIES = tuple(
  f"{sysconfig.get_path(kind)}/"
  for kind in ("purelib", "platlib", "stdlib", "platstdlib")
)
OURS = (
  str(pathlib.Path(__file__).parents[1]) + "/"
)  # may lie among the libraries
# Operations that hold others, under the name of the parameter that has them.
NESTED = ("jaxpr", "call_jaxpr")
WHOLE = ("scan", "while", "cond", "shard_map", "pallas_call")

SPREADING = ("convert_element_type", "broadcast_in_dim")  # of constants


Atom = jex.Var | jex.Literal


@dataclasses.dataclass(frozen=True)
class Origin:
  """Where a value that is not finite has come from.

  Attributes:
    kind: "nan" or "inf".
    what: the operation, or the argument that had it.
    module: names around the operation, such as jvp(Net)/head.
    place: "FILE:LINE in FUNCTION: CODE", "" for an argument.
    cause: the infinity that this NaN was made of.
  """

  kind: str
  what: str
  module: str = ""
  place: str = ""
  cause: "Origin | None" = None

  def __str__(self) -> str:
    module = f", in {self.module}" if self.module else ""
    lines = [f"{self.kind} comes out of {self.what}{module}"]
    lines += [f"  at {self.place}"] if self.place else []
    lines += [f"made of {self.cause}"] if self.cause else []
    return "\n".join(lines)


def find_origins(
  function: Callable[..., Any], **arguments: Any
) -> dict[str, Origin | None]:
  """Returns the origin of each output that is not finite, by its path.

  Args:
    function: pure, of arrays in any containers, to arrays in a container.
    **arguments: by name; one that is not finite itself is named.
  """
  names = tuple(arguments)
  call = lambda *args: function(**dict(zip(names, args, strict=True)))
  values = tuple(arguments.values())
  closed, shapes = jax.make_jaxpr(call, return_shape=True)(*values)
  inputs = [
    _Value(x, _argument(names[path[0].idx], path[1:], x))
    for path, x in jax.tree_util.tree_leaves_with_path(values)
  ]
  outputs = _run(closed.jaxpr, closed.consts, inputs)
  paths = [
    jax.tree_util.keystr(path, simple=True, separator="/")
    for path, _ in jax.tree_util.tree_leaves_with_path(shapes)
  ]
  return {
    path: value.origin
    for path, value in zip(paths, outputs, strict=True)
    if _kind(value.array)
  }


def place(frames: Iterable[tuple[str, int, str]]) -> str:
  """Returns the innermost line that is no library's.

  Args:
    frames: (file, line, function) from the innermost on.
  """
  for file, line, function in frames:
    library = file.startswith(LIBRARIES) and not file.startswith(OURS)
    if not library and not file.startswith("<") and file != __file__:
      code = linecache.getline(file, line).strip()
      return f"{file}:{line} in {function}" + (f": {code}" if code else "")
  return ""


@dataclasses.dataclass(frozen=True)
class _Value:
  """An array, and where it is not finite from where that has come."""

  array: Any
  origin: Origin | None = None


def _run(
  jaxpr: jex.Jaxpr,
  consts: Sequence[Any],
  inputs: Sequence[_Value],
  outer: str = "",
) -> list[_Value]:
  """Does the operations of a traced function one by one.

  `outer` is the line that calls it, for operations inside jax's own functions.
  """
  known = {
    var: _Value(x) for var, x in zip(jaxpr.constvars, consts, strict=True)
  }
  known |= dict(zip(jaxpr.invars, inputs, strict=True))
  last = _last_uses(jaxpr)

  def value(var: Atom) -> _Value:
    return _Value(var.val) if isinstance(var, jex.Literal) else known[var]

  for number, eqn in enumerate(jaxpr.eqns):
    outputs = _apply(eqn, [value(var) for var in eqn.invars], outer)
    known |= dict(zip(eqn.outvars, outputs, strict=True))
    for var in last.get(number, ()):
      del known[var]
  return [value(var) for var in jaxpr.outvars]


def _last_uses(jaxpr: jex.Jaxpr) -> dict[int, list[jex.Var]]:
  """Which variables are not needed after an operation: memory is short."""
  seen = {v for v in jaxpr.outvars if not isinstance(v, jex.Literal)}
  last: dict[int, list[jex.Var]] = {}
  for number in reversed(range(len(jaxpr.eqns))):
    eqn = jaxpr.eqns[number]
    for var in itertools.chain(eqn.invars, eqn.outvars):
      if not isinstance(var, jex.Literal) and var not in seen:
        seen.add(var)
        last.setdefault(number, []).append(var)
  return last


def _apply(eqn: jex.JaxprEqn, inputs: list[_Value], outer: str) -> list[_Value]:
  """Does one operation, or those inside it."""
  name = eqn.primitive.name
  if name == "cond":
    branch = eqn.params["branches"][int(inputs[0].array)]
    return _run(branch.jaxpr, branch.consts, inputs[1:], _line(eqn) or outer)
  inner = next((eqn.params[key] for key in NESTED if key in eqn.params), None)
  if inner is not None and name not in WHOLE:
    jaxpr, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
    return _run(jaxpr, consts, inputs, _line(eqn) or outer)
  params = eqn.primitive.get_bind_params(eqn.params)
  with eqn.ctx.manager:
    outputs = eqn.primitive.bind(*(v.array for v in inputs), **params)
  outputs = outputs if eqn.primitive.multiple_results else [outputs]
  if name == "scan" and any(_kind(x) for x in outputs):
    return _unroll(eqn, inputs, _line(eqn) or outer)
  return [_Value(x, _origin(eqn, x, inputs, outer)) for x in outputs]


def _line(eqn: jex.JaxprEqn) -> str:
  frames = getattr(eqn.source_info.traceback, "frames", ())
  return place((f.file_name, f.line_num, f.function_name) for f in frames)


def _unroll(
  eqn: jex.JaxprEqn, inputs: list[_Value], outer: str
) -> list[_Value]:
  """Does a scan turn by turn: what is stacked has an axis more than inside."""
  body, turns = eqn.params["jaxpr"], range(eqn.params["length"])
  whole = _unstacked(eqn.invars, body.jaxpr.invars)
  kept = _unstacked(eqn.outvars, body.jaxpr.outvars)
  consts, carry = inputs[: whole - kept], inputs[whole - kept : whole]
  rows = {}
  for turn in reversed(turns) if eqn.params["reverse"] else turns:
    slices = [_Value(v.array[turn], v.origin) for v in inputs[whole:]]
    results = _run(body.jaxpr, body.consts, [*consts, *carry, *slices], outer)
    carry, rows[turn] = results[:kept], results[kept:]
  columns = zip(*(rows[turn] for turn in turns), strict=True)
  return [*carry, *(_stack(column) for column in columns)]


def _unstacked(outer: Sequence[Atom], inner: Sequence[Atom]) -> int:
  pairs = zip(outer, inner, strict=True)
  return sum(one.aval.ndim == other.aval.ndim for one, other in pairs)


def _stack(column: Sequence[_Value]) -> _Value:
  origins = (value.origin for value in column if value.origin)
  array = jnp.stack([value.array for value in column])
  return _Value(array, next(origins, None))


def _origin(
  eqn: jex.JaxprEqn, output: Any, inputs: list[_Value], outer: str
) -> Origin | None:
  """Blames an operation, or what its inputs are to blame for."""
  kind = _kind(output)
  if not kind:
    return None
  given: dict[str, Origin | None] = {}
  for value in inputs:
    found = _kind(value.array)
    given[found] = given.get(found) or value.origin
  name, cause = f"`{eqn.primitive.name}`", given.get("inf") or given.get("nan")
  if kind in given:
    if given[kind] or eqn.primitive.name in SPREADING:
      return given[kind]
    name, cause = f"a constant in {name}", None
  module = str(eqn.source_info.name_stack)
  return Origin(kind, name, module, _line(eqn) or outer, cause)


def _argument(name: str, path: tuple[Any, ...], x: Any) -> Origin | None:
  kind = _kind(x)
  if not kind:
    return None
  bad = np.argwhere(~np.isfinite(np.asarray(x, np.float32)))[0].tolist()
  path = jax.tree_util.keystr(path, simple=True, separator="/")
  return Origin(kind, f"the {name}'s {path} at {bad}")


def _kind(x: Any) -> str:
  """Returns "nan", "inf", or "" for what is finite or no float."""
  dtype = getattr(x, "dtype", np.asarray(x).dtype if np.isscalar(x) else None)
  if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
    return ""
  if bool(jnp.isfinite(x).all()):
    return ""
  return "nan" if bool(jnp.isnan(x).any()) else "inf"
