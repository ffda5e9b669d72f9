"""Objects by three classes of pixels: background, interior and border."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.segmentation import pixel_cross_entropy, pixel_weights
from vision_jax.ops.instances import borders, components, grown
from vision_jax.tasks.net import NET, OneNet

BACKGROUND, INTERIOR, BORDER = range(3)
LOSS = "cross_entropy"


@dataclasses.dataclass(frozen=True)
class BorderedObjects(OneNet):
  """The U-Net form that objects are told apart by their borders.

  A batch has `image` (b, h, w, c), `instances` (b, h, w) int32, see
  `vision_jax.ops.instances`, and `mask` (b,). What is interior and hangs
  together is an object, which then grows into the border around it, all
  objects equally fast: a watershed from markers, as Caicedo et al. (2019,
  https://doi.org/10.1002/cyto.a.23863) and others have it.

  Attributes:
    model: (image, *, train, mask) -> logits (b, h, w, 3).
    width: of the border, in pixels, inside an object.
    class_weights: of background, interior and border in the loss.
    least: pixels of an object's interior; smaller ones are none.
  """

  model: nn.Module
  width: int = 1
  class_weights: Sequence[float] = (1.0, 1.0, 3.0)
  least: int = 4

  def __post_init__(self):
    if len(self.class_weights) != 3 or self.width < 1:
      raise UserError(
        f"BorderedObjects: got class_weights {tuple(self.class_weights)} and "
        f"width {self.width}; expected three, of background, interior and "
        "border, and a pixel or more."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the one net descends."""
    return (Objective(NET, self._loss, {LOSS: 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `instances` (b, h, w) int32, numbered 1, 2, ..."""
    del key
    image = batch["image"]
    logits = self.net.given(params, stats)(image, train=False)
    kind = jnp.argmax(self._checked(logits, image), -1)
    seeds = components(kind == INTERIOR, self.least)
    return {"instances": grown(seeds, kind != BACKGROUND)}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, mask = batch["image"], batch["mask"]
    logits, stats = self.net.run(
      params, stats, image, key=key, train=train, mask=mask
    )
    numbers = batch["instances"]
    inside = jnp.where(borders(numbers, self.width), BORDER, INTERIOR)
    kind = jnp.where(numbers > 0, inside, BACKGROUND)
    weights = pixel_weights(kind, class_weights=tuple(self.class_weights))
    values = pixel_cross_entropy(self._checked(logits, image), kind)
    return {LOSS: Mean.of(values, weights * mask[:, None, None])}, stats

  @staticmethod
  def _checked(logits: Array, image: Array) -> Array:
    if logits.shape != (*image.shape[:3], 3):
      raise UserError(
        f"BorderedObjects: the net gives {logits.shape} for images "
        f"{image.shape}; expected three logits for each pixel, (b, h, w, 3)."
      )
    return logits.astype(jnp.float32)
