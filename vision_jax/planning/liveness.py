"""How much memory a program needs at once, by its jaxpr and no compiler.

Values are followed in the program's order, from where they are computed to
their last use. As XLA does on accelerators, elementwise operations are computed
where their result is used: what they take is kept and not what they give,
unless a product, a convolution, a sort or the like wants it in memory. What
libraries need for themselves is not counted, nor what the allocator loses.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr

MOST = 8  # values that one fused expression reads
CALLS = {
  *("jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"),
  *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"),
}
# Not computed twice: kept where more than one operation uses it.
COSTLY = {
  *("exp", "exp2", "log", "log1p", "expm1", "erf", "erfc", "erf_inv", "tanh"),
  *("logistic", "sin", "cos", "pow", "rsqrt", "sqrt", "div", "cbrt", "rem"),
}
CHEAP = {
  *("add", "add_any", "sub", "mul", "neg", "abs", "sign", "max", "min"),
  *("square", "one_minus_square", "integer_pow", "select_n", "clamp"),
  *("floor", "ceil", "round"),
  *("is_finite", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"),
  *("xor", "shift_left", "shift_right_logical", "convert_element_type"),
  *("bitcast_convert_type", "broadcast_in_dim", "reshape", "squeeze", "iota"),
  *("expand_dims", "stop_gradient", "copy", "reduce_precision", "rev"),
  *("transpose", "slice", "pad", "optimization_barrier", "mul_add"),
}
# Read what is elementwise as it is computed, and write their own result.
READERS = {
  *("reduce_sum", "reduce_max", "reduce_min", "reduce_and", "reduce_or"),
  *("reduce_prod", "argmax", "argmin", "concatenate", "dynamic_slice"),
}


@dataclasses.dataclass(eq=False)
class Value:
  """A value of the program.

  Attributes:
    size: size in bytes.
    given: whether it is there before and after.
    maker: name of the operation that computes it; "" for an argument.
    users: names of those that take it.
  """

  size: int
  given: bool = False
  maker: str = ""
  users: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Operation:
  """What takes values, gives values, and needs `inner` bytes meanwhile."""

  takes: list[Value]
  gives: list[Value]
  inner: int


def size_of(aval: Any) -> int:
  """Bytes of an array's shape and dtype; 8 each for random keys."""
  return aval.size * getattr(aval.dtype, "itemsize", 8)


def peak_bytes(closed: ClosedJaxpr, donated: int = 0) -> int:
  """Returns the most that is live at once, arguments and results included.

  Args:
    closed: what `jax.make_jaxpr` gives.
    donated: how many of the first arguments end with their last use; the
      others stay to the program's end.
  """
  arguments = [Value(size_of(x.aval)) for x in closed.jaxpr.invars]
  for value in arguments[donated:]:
    value.given = True
  start = sum(value.size for value in arguments)
  return start + _extra(closed.jaxpr, arguments)


def _extra(jaxpr: Jaxpr, arguments: list[Value]) -> int:
  """The most that is live at once beyond the arguments."""
  environment = dict(zip(jaxpr.invars, arguments, strict=True))
  operations: list[Operation] = []
  results = _inline(jaxpr, environment, operations)
  for value in results:
    value.users.append("result")
  last, written = _follow(operations)
  live = most = 0
  for number, operation in enumerate(operations):
    live += sum(v.size for v in operation.gives if v in written)
    most = max(most, live + operation.inner)
    gone = last.get(number, ())
    live -= sum(v.size for v in gone if not v.given and v not in results)
  return most


def _inline(
  jaxpr: Jaxpr, environment: dict[Any, Value], operations: list[Operation]
) -> set[Value]:
  """Lists the operations of a jaxpr and of those it calls; returns results."""
  for constant in jaxpr.constvars:
    environment[constant] = Value(size_of(constant.aval), given=True)
  look = lambda x: None if hasattr(x, "val") else environment[x]
  for equation in jaxpr.eqns:
    name = equation.primitive.name
    takes = [look(x) for x in equation.invars]
    inner = list(_inner(equation.params))
    if name in CALLS and len(inner) == 1:
      body = inner[0]
      own = dict(zip(body.invars, takes, strict=True))
      own = {k: v or Value(0, given=True) for k, v in own.items()}
      _inline(body, own, operations)
      for outer, x in zip(equation.outvars, body.outvars, strict=True):
        known = None if hasattr(x, "val") else own[x]
        environment[outer] = known or Value(0, given=True)
      continue
    takes = [x for x in takes if x is not None]
    gives = [Value(size_of(x.aval), maker=name) for x in equation.outvars]
    for value in takes:
      value.users.append(name)
    environment |= dict(zip(equation.outvars, gives, strict=True))
    operations.append(Operation(takes, gives, _needed(inner)))
  return {look(x) for x in jaxpr.outvars} - {None}


def _inner(parameters: Mapping[str, Any]) -> Iterable[Jaxpr]:
  for value in parameters.values():
    for x in value if isinstance(value, tuple | list) else (value,):
      x = getattr(x, "jaxpr", x)
      if hasattr(x, "eqns"):
        yield x


def _needed(bodies: list[Jaxpr]) -> int:
  """What the largest of several bodies needs beyond its arguments."""
  given = lambda body: [Value(0, given=True) for _ in body.invars]
  return max((_extra(body, given(body)) for body in bodies), default=0)


def _follow(operations: list[Operation]):
  """Returns operation -> values that end with it, and which are written."""
  read: dict[Value, frozenset[Value]] = {}
  final: dict[Value, int] = {}
  written = set()
  for number, operation in enumerate(operations):
    sources = frozenset().union(
      *(read.get(value, frozenset((value,))) for value in operation.takes)
    )
    fused = all(_fuses(value) for value in operation.gives)
    if fused and len(sources) <= MOST:
      read |= dict.fromkeys(operation.gives, sources)
      continue
    written.update(operation.gives)
    for value in (*sources, *operation.gives):
      final[value] = number
  last: dict[int, list[Value]] = {}
  for value, number in final.items():
    last.setdefault(number, []).append(value)
  return last, written


def _fuses(value: Value) -> bool:
  """Whether a value is computed where it is used, and never written."""
  if value.maker not in CHEAP and value.maker not in COSTLY:
    return False
  if value.maker in COSTLY and len(value.users) > 1:
    return False
  return all(user in CHEAP | COSTLY | READERS for user in value.users)
