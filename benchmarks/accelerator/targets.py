"""The marks to beat, published and ours, and how a run stands to them."""

from collections.abc import Mapping
from typing import Any

from benchmarks import references
from benchmarks.accelerator.cases import PEERS
from benchmarks.accelerator.states import ABSENT, MEASURED

# Our step -> the published rate to beat, in third_party/references.
PUBLISHED = {
  "vit_b16_b256": "h100_vit_b16_jax_toolbox",
  "resnet50_b256": "a100_resnet50_mxnet",
}
LEAST_MFU = {"vit_b16_b256": 0.5}
AHEAD = 1.0  # times torch.compile's rate

Rows = Mapping[tuple[str, str], Mapping[str, Any]]


def lines(rows: Rows) -> list[str]:
  """Returns a line for each mark: what is to reach, and what was measured."""
  found = [_published(rows, *item) for item in PUBLISHED.items()]
  found += [_mfu(rows, *item) for item in LEAST_MFU.items()]
  return found + [_peer(rows, *item) for item in PEERS.items()]


def _published(rows: Rows, step: str, key: str) -> str:
  mark = references.load()[key]
  asked = (
    f"{step}: {mark.value:,.0f} images/s ({mark.model}, {mark.hardware}; "
    f"{mark.source_url})"
  )
  return _verdict(
    asked, _number(rows, step, "images_per_s"), mark.value, ",.0f"
  )


def _mfu(rows: Rows, step: str, least: float) -> str:
  asked = f"{step}: {least:.0%} of the card's peak"
  return _verdict(asked, _number(rows, step, "mfu"), least, ".1%")


def _peer(rows: Rows, peer: str, step: str) -> str:
  asked = f"{step}: ahead of torch.compile ({peer})"
  ours, theirs = (_number(rows, n, "images_per_s") for n in (step, peer))
  ratio = ours / theirs if ours and theirs else None
  return _verdict(asked, ratio, AHEAD, ".2f", "times")


def _verdict(
  asked: str, got: float | None, mark: float, form: str, unit=""
) -> str:
  if got is None:
    return f"{asked}: {ABSENT}"
  verdict = "met" if got >= mark else "missed"
  return f"{asked}: {got:{form}}{' ' * bool(unit)}{unit}: {verdict}"


def _number(rows: Rows, name: str, field: str) -> float | None:
  row = rows.get(("steps", name), {})
  return row.get(field) if row.get("state") == MEASURED else None
