"""A config's whole training step on one device."""

from typing import Any

import jax

from benchmarks.accelerator.cases import CASES
from benchmarks.speed import steps
from vision_jax.planning.devices import peak_flops


def measure(name: str, *, size: str, **_: Any) -> dict[str, Any]:
  """Returns the row of a case: see `benchmarks.speed.steps.timed_row`."""
  case = CASES[name]
  row = steps.timed_row(
    case.config,
    case.overrides,
    forms=case.forms,
    seconds=0.2 if size == "tiny" else 5.0,
    devices=jax.devices()[:1],
  )
  row |= {"config": case.config, "overrides": dict(case.overrides)}
  row["forms"] = dict(case.forms)
  if jax.default_backend() != "cpu" and not peak_flops(row["device_kind"]):
    row["mfu_why"] = (
      f"the card {row['device_kind']!r} is not in "
      "vision_jax/planning/devices.py; add its dense bf16 rate there, with "
      "the source"
    )
  return row
