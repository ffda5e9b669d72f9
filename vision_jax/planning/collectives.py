"""What devices send each other in a compiled program, by its HLO text."""

import dataclasses
import math
import re
from collections.abc import Iterator

BITS = {"pred": 8, "bf16": 16}  # others say it: f32, s8, u64, f8e4m3fn
# Operation -> bytes that a device of n sends, over those of the larger side,
# on a ring (Thakur et al., IJHPCA 2005, sections 4.1 to 4.5).
SENT = {
  "all-reduce": lambda n: 2 * (n - 1) / n,
  "all-gather": lambda n: (n - 1) / n,
  "reduce-scatter": lambda n: (n - 1) / n,
  "all-to-all": lambda n: (n - 1) / n,
  "collective-permute": lambda n: 1.0,
}
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) .*\{$")
_OPERATION = re.compile(
  rf" = (.*?) ({'|'.join(SENT)})(-start)?\((.*)$"
)  # not -done, which gives what has been counted
_CALLED = re.compile(r"(?:body|calls|to_apply|true_computation|"
                     r"false_computation)=%?([\w.-]+)")  # fmt: skip
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TURNS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_ARRAY = re.compile(r"\b(pred|[a-z]+\d+)[a-z0-9]*\[([\d,]*)\]")
_LISTED = re.compile(r"replica_groups=\{\{([\d,]*)\}")
_IOTA = re.compile(r"replica_groups=\[(\d+),(\d+)\]")
# mesh['a'=4,'b'=2] {'a'}, maybe with the devices' order between: over axis a.
_MESH = re.compile(r"replica_groups=mesh\[([^\]]*)\][^{]*\{([^}]*)\}")
_AXIS = re.compile(r"'([^']*)'=(\d+)")
_OVER = re.compile(r"'([^']*)'(?::\(\d+\)(\d+))?")  # 'a':(2)4 is 4 of axis a


@dataclasses.dataclass(frozen=True)
class Collective:
  """One kind of collective operation of a program.

  Attributes:
    kind: its name in HLO, such as "all-reduce".
    count: how many a run of the program has; those of a loop once a turn.
    bytes: sizes of what they give or take, the larger, summed.
    sent: bytes that a device sends, by a ring.
  """

  kind: str
  count: int
  bytes: int
  sent: int


def collectives(text: str, devices: int) -> list[Collective]:
  """Returns the kinds of collective operations of a program.

  A loop whose number of turns XLA does not tell counts one.

  Args:
    text: the compiled module, as HLO text.
    devices: of the program; the size of a group that names none.
  """
  bodies, entry = _bodies(text)
  found: dict[str, list[float]] = {}
  for kind, size, group, times in _walk(bodies, entry, devices, 1):
    if group < 2:
      continue  # with itself
    sums = found.setdefault(kind, [0, 0, 0.0])
    sent = size * SENT[kind](group)
    for place, value in enumerate((1, size, sent)):
      sums[place] += times * value
  return [
    Collective(kind, int(n), int(size), round(sent))
    for kind, (n, size, sent) in sorted(found.items())
  ]


def _bodies(text: str) -> tuple[dict[str, list[str]], str]:
  """Returns computation -> its lines, and the name of the first to run."""
  bodies: dict[str, list[str]] = {}
  entry, name = "", ""
  for line in text.splitlines():
    if head := _COMPUTATION.match(line):
      name = head[1]
      bodies[name] = []
      entry = name if line.startswith("ENTRY") else entry
    elif name:
      bodies[name].append(line)
  return bodies, entry


def _walk(
  bodies: dict[str, list[str]], name: str, devices: int, times: int
) -> Iterator[tuple[str, int, int, int]]:
  """Yields kind, bytes, size of the group and how often, of each operation."""
  for line in bodies.get(name, ()):
    if found := _OPERATION.search(line):
      given, kind, start, rest = found.groups()
      sizes = _sizes(given)
      # Of an asynchronous one the result has the operands beside it.
      size = max(sizes, default=0) if start else sum(sizes)
      if kind == "reduce-scatter":
        size *= _group(rest, devices)
      yield kind, size, _group(rest, devices), times
      continue
    turns = _TURNS.search(line) if " while(" in line else None
    inner = times * (int(turns[1]) if turns else 1)
    branches = (x.strip(" %") for b in _BRANCHES.findall(line)
                for x in b.split(","))  # fmt: skip
    for called in (*_CALLED.findall(line), *branches):
      yield from _walk(bodies, called, devices, inner)


def _sizes(shapes: str) -> list[int]:
  """Bytes of each array in a result's type."""
  found = []
  for kind, dims in _ARRAY.findall(shapes):
    bits = BITS.get(kind) or int(re.sub(r"\D", "", kind))
    count = math.prod(map(int, filter(None, dims.split(","))))
    found.append(count * bits // 8)
  return found


def _group(rest: str, devices: int) -> int:
  """How many devices take part together."""
  if mesh := _MESH.search(rest):
    sizes = dict(_AXIS.findall(mesh[1]))
    over = _OVER.findall(mesh[2])
    return math.prod(int(part or sizes[axis]) for axis, part in over)
  if iota := _IOTA.search(rest):
    return int(iota[2])
  listed = _LISTED.search(rest)
  if listed and listed[1]:
    return len(listed[1].split(","))
  return devices
