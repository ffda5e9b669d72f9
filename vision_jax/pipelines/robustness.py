"""What a classifier withstands: an evaluation over corrupted test sets."""

from vision_jax.core.types import Metric
from vision_jax.data.corrupted import Corrupted
from vision_jax.data.memory import InMemory
from vision_jax.data.source import Source, gathers
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.corruptions import STRENGTHS
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.by_group import ByGroup
from vision_jax.pipelines.data import Loading

MOST = min(map(len, STRENGTHS.values()))


def ways(strengths: int = MOST) -> dict[str, tuple[str, float]]:
  """Returns "rotation3" -> ("rotation", 30), of the first strengths.

  Raises:
    UserError: for more of them than there are.
  """
  if not 0 <= strengths <= MOST:
    raise UserError(
      f"--config.strengths: got {strengths}; expected 0 to {MOST}."
    )
  return {
    f"{kind}{number}": (kind, strength)
    for kind, each in STRENGTHS.items()
    for number, strength in enumerate(each[:strengths], 1)
  }


def robustness(
  source: Source,
  metric: Metric,
  *,
  loading: Loading,
  crop: Transform,
  num_classes: int,
  strengths: int = MOST,
  seed: int = 0,
) -> dict[str, Eval]:
  """Returns the evaluation "robustness", of a test set corrupted in all ways.

  It gives the metric of all of them, and that of each kind and strength:
  `robustness/rotation3/accuracy`. It is costly, so that a run measures it at
  its end alone. Every run sees the same images.

  Args:
    source: images with labels.
    metric: see `ByGroup`.
    loading, crop, num_classes: as `classification` takes them.
    strengths: how many of each kind, from the weakest on; 0 for no evaluation.
    seed: of the corruptions.
  """
  named = ways(strengths)
  if not named:
    return {}
  kept = source
  if not gathers(source):
    kept = InMemory(source, [loading.decode(), crop], loading.threads)
  loader = loading.evaluation(
    Corrupted(kept, tuple(named.values()), seed=seed), num_classes=num_classes
  )
  measured = {"by_group": ByGroup(metric, tuple(named))}
  return {"robustness": Eval(loader, measured, costly=True, losses=False)}
