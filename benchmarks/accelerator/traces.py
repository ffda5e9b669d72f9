"""What a step is made of: its dearest kernels, and the idle share."""

import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import jax

from benchmarks.accelerator.cases import CASES
from benchmarks.accelerator.states import NotHere
from benchmarks.speed.steps import Running, of_config
from benchmarks.speed.timing import WARM
from vision_jax.forms.choice import use_forms

STEPS, TOP = 5, 20
Event = tuple[str, float, float]  # name, start and end in ns


def measure(name: str, **_: Any) -> dict[str, Any]:
  """Returns the kernels of a case's steps, by their time, and the idle share.

  Raises:
    NotHere: if the profile has no events of a device.
  """
  case, devices = CASES[name], jax.devices()[:1]
  with use_forms(**case.forms):
    running = Running(of_config(case.config, case.overrides, devices=devices))
  running.blocks(WARM)
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder):
      running.blocks(STEPS)
    events = list(read(pathlib.Path(folder)))
  if not events:
    raise NotHere("the profile has no events of a device")
  return {"steps": STEPS, **summary(events)}


def summary(events: Iterable[Event], top: int = TOP) -> dict[str, Any]:
  """Returns `top` kernels with their share of the time, and `idle_share`.

  Idle is the device between its first event and its last while none runs.
  """
  events = sorted(events, key=lambda event: event[1])
  taken: dict[str, list[float]] = {}
  for name, start, end in events:
    taken.setdefault(name, []).append(end - start)
  total = sum(map(sum, taken.values()))
  dearest = sorted(taken, key=lambda name: -sum(taken[name]))[:top]
  span = max(e for _, _, e in events) - events[0][1]
  return {
    "idle_share": 1 - _union(events) / span if span else 0.0,
    "span_ms": span / 1e6,
    "kernels": [
      {
        "name": name[:120],
        "ms": sum(taken[name]) / 1e6,
        "count": len(taken[name]),
        "share": sum(taken[name]) / total if total else 0.0,
      }
      for name in dearest
    ],
  }


def _union(events: Iterable[Event]) -> float:
  """How long at least one of the events, by their start, was running."""
  busy, until = 0.0, float("-inf")
  for _, start, end in events:
    busy += max(0.0, end - max(start, until))
    until = max(until, end)
  return busy


def read(folder: pathlib.Path) -> Iterator[Event]:
  """Yields the events of the first device in a profile; on a CPU XLA's own."""
  for file in sorted(folder.rglob("*.xplane.pb")):
    planes = list(jax.profiler.ProfileData.from_file(str(file)).planes)
    devices = sorted(
      (p for p in planes if p.name.startswith("/device:")), key=lambda p: p.name
    )
    found = [*_kernels(devices[0])] if devices else []
    if found:
      yield from found
      return
    for plane in planes:
      yield from _operations(plane)


def _kernels(plane: Any) -> Iterator[Event]:
  """Of a GPU what its streams run, of a TPU its operations."""
  for line in plane.lines:
    if line.name.startswith("Stream") or line.name == "XLA Ops":
      for event in line.events:
        yield event.name, event.start_ns, event.end_ns


def _operations(plane: Any) -> Iterator[Event]:
  for line in plane.lines:
    for event in line.events:
      if any(key == "hlo_op" for key, _ in event.stats):
        yield event.name, event.start_ns, event.end_ns
