"""SimCLR: an image's two views near one another, far from other images'."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.mapped import gather_shards
from vision_jax.core.types import Array, Batch, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.self_supervised import interleaved, nt_xent, views
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class Contrastive(OneNet):
  """Learns features without labels (SimCLR, Chen et al., 2020).

  A batch has `image` and `view` (b, h, w, c), as `two_views` gives them,
  `index` and `mask` (b,). Each view is compared with those of all of the batch,
  however many devices share it; microbatches are refused. Both views go through
  the net together, so BatchNorm's moments are of both.

  Attributes:
    model: (image, *, train, mask) -> {"features": (b, f), "embedding": (b, d)},
      such as `WithProjection`; the loss is of embeddings, features stay.
    temperature: that cosines are divided by.
  """

  model: nn.Module
  temperature: float = 0.5
  whole_batch = "gathered"

  def __post_init__(self):
    if not self.temperature > 0:
      raise UserError(
        f"temperature: got {self.temperature}; expected more than 0."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the one net descends."""
    return (Objective(NET, self._loss, {"nt_xent": 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `features` (b, f)."""
    del key
    out = self.net.given(params, stats)(batch["image"], train=False)
    return {"features": out["features"]}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask = batch["mask"]
    out, stats = self.net.run(
      *(params, stats, interleaved(batch["image"], batch["view"])),
      key=key,
      train=train,
      mask=jnp.repeat(mask, 2),
    )
    vector = out["embedding"].astype(jnp.float32)
    own = views(vector, batch["index"], mask)
    loss = nt_xent(own, gather_shards(own), self.temperature)
    return {"nt_xent": loss}, stats
