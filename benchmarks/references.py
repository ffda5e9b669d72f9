"""Reference numbers from `third_party/references`, each with its source."""

import dataclasses
import functools
import json

from benchmarks import environment
from vision_jax.errors import UserError

# Evidence that is good enough for a verdict. `recalled` numbers are shown for
# orientation and never decide anything.
GATING = ("primary", "transcript", "secondary", "derived")
EVIDENCE = (*GATING, "recalled")


@dataclasses.dataclass(frozen=True)
class Reference:
  """One published number.

  Attributes:
    key: the name rows refer to it by.
    task, dataset, split, model, variant: what was measured.
    metric: `accuracy` (a fraction in [0, 1]), `nll_k5000` (nats), `seconds` ...
    value: the number in the metric's unit.
    higher_is_better: the metric's direction.
    protocol: under which conditions it was measured.
    source_title, source_url, source_location: where it stands.
    evidence: how it was read, one of `EVIDENCE`.
    recipe, hardware, notes: as published, may be empty.
  """

  key: str
  task: str
  dataset: str
  split: str
  model: str
  variant: str
  metric: str
  value: float
  higher_is_better: bool
  protocol: str
  source_title: str
  source_url: str
  source_location: str
  evidence: str
  recipe: str = ""
  hardware: str = ""
  notes: str = ""

  def __post_init__(self):
    if self.evidence not in EVIDENCE:
      raise UserError(
        f"reference {self.key!r}: evidence is {self.evidence!r}, expected one "
        f"of {', '.join(EVIDENCE)}"
      )
    for field in ("source_title", "source_url", "protocol"):
      if not getattr(self, field):
        raise UserError(f"reference {self.key!r} has no {field}")

  @property
  def gates(self) -> bool:
    """Whether the evidence is good enough to decide a verdict."""
    return self.evidence in GATING


@functools.cache
def load() -> dict[str, Reference]:
  """Returns every reference by its key.

  Raises:
    UserError: a line is incomplete or a key stands twice.
  """
  found = {}
  # Beside this package in a checkout, an editable install and the wheel.
  folder = environment.ROOT / "third_party" / "references"
  for file in sorted(folder.glob("*.jsonl")):
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
      reference = _parse(line, f"{file.name}:{number}")
      if reference.key in found:
        raise UserError(f"{file.name}:{number}: {reference.key!r} again")
      found[reference.key] = reference
  return found


def _parse(line: str, place: str) -> Reference:
  try:
    return Reference(**json.loads(line))
  except (TypeError, json.JSONDecodeError) as error:
    raise UserError(f"{place}: not a reference: {error}") from error
