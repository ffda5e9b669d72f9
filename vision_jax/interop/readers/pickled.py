"""A machine for pickles that calls nothing.

Python's own reader looks up any name that a pickle holds, and calls it. This
one makes numbers, texts and containers; a name it knows becomes an inert
`Name`, whose `make` is ours, and any other name is refused. `pickletools`
parses the opcodes. Memory stays within what the pickle itself has.
"""

import dataclasses
import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from vision_jax.errors import UserError

Make = Callable[..., Any]
SCALARS = (str, int, float, bool, bytes, type(None))
_PLAIN = {
  *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
  *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
  *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE"),
  *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
_FRESH = {
  "NONE": lambda: None,
  "NEWTRUE": lambda: True,
  "NEWFALSE": lambda: False,
  "EMPTY_LIST": list,
  "EMPTY_DICT": dict,
  "EMPTY_TUPLE": tuple,
  "EMPTY_SET": list,
}
_GATHERED = {"LIST": list, "TUPLE": tuple, "FROZENSET": list}
_PASSED = {"PROTO", "FRAME", "STOP"}


@dataclasses.dataclass(frozen=True)
class Name:
  """A class or function that a pickle names: a word for us to interpret."""

  text: str
  make: Make | None = None


class Members(dict):
  """Attributes of an object, by name; its class is not looked at."""


class Opaque:
  """Something whose content nobody asks for, such as a run's arguments."""


class Machine:
  """Reads one pickle.

  Attributes:
    names: a dotted name -> what it stands for; None refuses it.
    persistent: what `torch.save` keeps elsewhere -> what stands for it.
  """

  def __init__(
    self,
    names: Callable[[str], Name | None],
    persistent: Callable[[Any], Any] | None = None,
  ):
    self.names = names
    self.persistent = persistent
    self.stack: list[Any] = []
    self.marked: list[list[Any]] = []
    self.memo: dict[int, Any] = {}

  def read(self, file: BinaryIO, where: str) -> Any:
    """Returns what a pickle describes; the file stands behind it then.

    Args:
      file: at the first byte of the pickle; `read` must not return more than
        there is, however much is asked for.
      where: what an error calls the file.

    Raises:
      UserError: for a pickle that is damaged, or names what is not known.
    """
    try:
      for opcode, value, _ in pickletools.genops(file):
        self._step(opcode.name, value)
      return self.stack.pop()
    except UserError as error:
      raise UserError(f"{where}: {error}") from None
    except (
      *(ValueError, TypeError, LookupError, MemoryError, OverflowError),
      *(AttributeError, AssertionError, RecursionError),
    ) as error:
      raise UserError(
        f"{where}: its pickle cannot be read ({type(error).__name__}: "
        f"{str(error)[:200]}); expected one that torch.save has written. "
        "It is damaged or incomplete: get it again."
      ) from error

  def _step(self, opcode: str, value: Any) -> None:
    if opcode in _PLAIN:
      self.stack.append(value)
    elif opcode in _FRESH:
      self.stack.append(_FRESH[opcode]())
    elif opcode in _GATHERED:
      self._push(_GATHERED[opcode](self._gather()))
    elif opcode not in _PASSED:
      act = getattr(self, f"_on_{opcode.lower()}", None)
      if act is None:
        raise ValueError(f"opcode {opcode}")
      act(value)

  def _push(self, value: Any) -> None:
    self.stack.append(value)

  def _gather(self) -> list[Any]:
    """Returns what lies above the last mark, and takes it away."""
    found, self.stack = self.stack, self.marked.pop()
    return found

  def _on_mark(self, _) -> None:
    self.marked.append(self.stack)
    self.stack = []

  def _on_pop(self, _) -> None:
    self.stack.pop() if self.stack else self._gather()

  def _on_pop_mark(self, _) -> None:
    self._gather()

  def _on_dup(self, _) -> None:
    self._push(self.stack[-1])

  def _on_tuple1(self, _) -> None:
    self._tuple(1)

  def _on_tuple2(self, _) -> None:
    self._tuple(2)

  def _on_tuple3(self, _) -> None:
    self._tuple(3)

  def _tuple(self, size: int) -> None:
    values = tuple(self.stack[-size:])
    if len(values) != size:
      raise ValueError("the stack is empty")
    self.stack[-size:] = [values]

  def _on_dict(self, _) -> None:
    self._push(dictionary(_pairs(self._gather())))

  def _on_append(self, _) -> None:
    self._extend([self.stack.pop()])

  def _on_appends(self, _) -> None:
    self._extend(self._gather())

  _on_additems = _on_appends

  def _extend(self, values: list[Any]) -> None:
    if type(self.stack[-1]) is not list:
      raise ValueError("appends to what is no list")
    self.stack[-1].extend(values)

  def _on_setitem(self, _) -> None:
    value, key = self.stack.pop(), self.stack.pop()
    self._update([(key, value)])

  def _on_setitems(self, _) -> None:
    self._update(_pairs(self._gather()))

  def _update(self, pairs: list[tuple[Any, Any]]) -> None:
    if type(self.stack[-1]) is not dict:
      raise ValueError("sets an item of what is no dict")
    self.stack[-1].update(dictionary(pairs))

  def _on_put(self, index: int) -> None:
    self.memo[index] = self.stack[-1]

  _on_binput = _on_long_binput = _on_put

  def _on_memoize(self, _) -> None:
    self.memo[len(self.memo)] = self.stack[-1]

  def _on_get(self, index: int) -> None:
    self._push(self.memo[index])

  _on_binget = _on_long_binget = _on_get

  def _on_global(self, value: str) -> None:
    self._name(value.replace(" ", "."))

  def _on_stack_global(self, _) -> None:
    name, module = self.stack.pop(), self.stack.pop()
    self._name(f"{module}.{name}")

  def _name(self, text: str) -> None:
    name = self.names(text)
    if name is None:
      raise UserError(
        f"its pickle names {text[:80]}, which would have to be imported and "
        "might run code; expected tensors in dicts. Nothing of it was run. "
        "Where the file comes from, save the state dict alone: "
        "torch.save(model.state_dict(), path)."
      )
    self._push(name)

  def _on_reduce(self, _) -> None:
    arguments, name = self.stack.pop(), self.stack.pop()
    if type(name) is not Name or name.make is None:
      raise ValueError(f"calls {str(name)[:80]}")
    if type(arguments) is not tuple:
      raise ValueError("calls something without arguments")
    self._push(name.make(*arguments))

  _on_newobj = _on_reduce

  def _on_build(self, _) -> None:
    """Attributes of an object: kept of one that is nothing else."""
    state = self.stack.pop()
    if type(self.stack[-1]) in (Name, *SCALARS):
      raise ValueError("sets attributes of what has none")
    if type(self.stack[-1]) is Members:
      self.stack[-1].update(state)  # a dict, whose keys have been looked at

  def _on_binpersid(self, _) -> None:
    if self.persistent is None:
      raise ValueError("keeps something elsewhere")
    self._push(self.persistent(self.stack.pop()))


def dictionary(pairs: Any = ()) -> dict[Any, Any]:
  """Returns a dict whose keys are texts, numbers, or tuples of them.

  Other keys are refused, unhashed: the hash of a tuple of tuples of tuples may
  take for ever.
  """
  for key, _ in pairs:
    flat = key if type(key) is tuple else (key,)
    if not all(type(x) in SCALARS for x in flat):
      raise ValueError(f"a key of type {type(key).__name__}")
  return dict(pairs)


def _pairs(values: list[Any]) -> list[tuple[Any, Any]]:
  return list(zip(values[::2], values[1::2], strict=True))
