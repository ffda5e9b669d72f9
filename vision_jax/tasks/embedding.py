"""Metric learning: images of a class near one another, of others far apart."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.mapped import gather_shards
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses import metric
from vision_jax.losses.metric import Embedded, unit
from vision_jax.tasks.net import NET, OneNet

ARCFACE = "arcface"
LOSSES = (
  *("batch_hard", "semi_hard", ARCFACE),
  *("supervised_contrastive", "prototypical"),
)


@dataclasses.dataclass(frozen=True)
class Embedding(OneNet):
  """Maps images to points of a sphere, by which they are compared.

  A batch has `image` (b, h, w, c), `label` int (b,), `index` and `mask` (b,).
  Examples are compared with all of the batch, however many devices share it;
  microbatches are refused.

  Attributes:
    model: (image, *, train, mask) -> (b, d), any net whose head has d outputs;
      or {"embedding": (b, d), ...}, of which the loss is, where images are to
      be compared by other "features" (b, f), as of `WithProjection`; "arcface"
      asks for "cosine" (b, k) too, as of `WithCentres`.
    loss: the triplets "batch_hard" (Hermans et al., 2017) or "semi_hard"
      (FaceNet), "arcface", "supervised_contrastive" (SupCon), or
      "prototypical", where each batch is an episode.
    margin: of triplets, in distance, and of ArcFace, in radians; 0 in
      "batch_hard" is the soft margin.
    temperature: that SupCon divides cosines by.
    scale: that ArcFace multiplies cosines by.
    shots: examples of a class that are an episode's support.
  """

  model: nn.Module
  loss: str = "supervised_contrastive"
  margin: float = 0.2
  temperature: float = 0.1
  scale: float = 64.0
  shots: int = 5

  def __post_init__(self):
    check_name("loss", self.loss, LOSSES)
    for name in ("temperature", "scale", "shots"):
      if not (value := getattr(self, name)) > 0:
        raise UserError(f"{name}: got {value}; expected more than 0.")
    if self.margin < 0:
      raise UserError(f"margin: got {self.margin}; expected 0 or more.")

  @property
  def whole_batch(self) -> str | bool:
    """How it asks for all of a batch: it gathers what devices share."""
    return False if self.loss == ARCFACE else "gathered"

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the one net descends."""
    return (Objective(NET, self._loss, {self.loss: 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `features` (b, f), of length 1."""
    del key
    out = self.net.given(params, stats)(batch["image"], train=False)
    out = self._checked(out)
    vector = out.get("features", out["embedding"])
    return {"features": unit(vector.astype(jnp.float32))}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask = batch["mask"]
    out, stats = self.net.run(
      params, stats, batch["image"], key=key, train=train, mask=mask
    )
    out = self._checked(out)
    if self.loss == ARCFACE:
      options = {"margin": self.margin, "scale": self.scale}
      values = metric.arcface(out["cosine"], batch["label"], **options)
      return {self.loss: Mean.of(values, mask)}, stats
    vector = unit(out["embedding"].astype(jnp.float32))
    own = Embedded(vector, batch["label"], batch["index"], mask)
    return {self.loss: self._compared(own, gather_shards(own))}, stats

  def _compared(self, own: Embedded, every: Embedded) -> Mean:
    options = {
      "batch_hard": {"margin": self.margin},
      "semi_hard": {"margin": self.margin},
      "supervised_contrastive": {"temperature": self.temperature},
      "prototypical": {"shots": self.shots},
    }
    return getattr(metric, self.loss)(own, every, **options[self.loss])

  def _checked(self, out: Array | dict[str, Array]) -> dict[str, Array]:
    """Returns what the model gives of images, by name."""
    out = out if isinstance(out, dict) else {"embedding": out}
    if ("cosine" in out) != (self.loss == ARCFACE):
      raise UserError(
        f"loss: got {self.loss!r}, and the model gives {', '.join(out)}; "
        "expected a net with classes' centres, WithCentres(net, num_classes), "
        "just for 'arcface'."
      )
    return out
