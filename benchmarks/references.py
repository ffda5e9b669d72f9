"""Reference numbers from `third_party/references`, each with its source."""

import dataclasses
import functools
import json
import pathlib

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


def load() -> dict[str, Reference]:
  """Returns every reference by its key, but those that `refused` names."""
  return _read(FOLDER)[0]


def refused() -> list[str]:
  """Says of each line that is no reference why: others are not its victims."""
  return [*_read(FOLDER)[1].values()]


def check(key: str) -> None:
  """Refuses a key of which there is no reference, or an incomplete one.

  Raises:
    UserError: saying why.
  """
  found, bad = _read(FOLDER)
  if key and key not in found:
    raise UserError(bad.get(key, f"there is no reference {key!r}"))


# Beside this package in a checkout and an editable install.
FOLDER = environment.ROOT / "third_party" / "references"


@functools.cache
def _read(folder: pathlib.Path) -> tuple[dict[str, Reference], dict[str, str]]:
  """Returns the references by their keys, and why others are none."""
  found: dict[str, Reference] = {}
  bad: dict[str, str] = {}
  for file in sorted(folder.glob("*.jsonl")):
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
      place = f"{file.name}:{number}"
      try:
        reference = parse(line, place)
        if reference.key in found:
          raise UserError(f"{place}: {reference.key!r} again")
        found[reference.key] = reference
      except UserError as error:
        bad[_key(line) or place] = str(error)
  return {k: x for k, x in found.items() if k not in bad}, bad


def _key(line: str) -> str:
  """The key that a bad line has, if it is so far a reference."""
  try:
    return str(json.loads(line)["key"])
  except (TypeError, KeyError, json.JSONDecodeError):
    return ""


def parse(line: str, place: str) -> Reference:
  """Returns the reference of a line.

  Raises:
    UserError: naming the place, and what it lacks.
  """
  try:
    return Reference(**json.loads(line))
  except (TypeError, json.JSONDecodeError) as error:
    raise UserError(f"{place}: not a reference: {error}") from error
  except UserError as error:
    raise UserError(f"{place}: {error}") from error
