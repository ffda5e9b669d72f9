"""Restoration: cleaner or larger images."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import (
  Array,
  Batch,
  Mean,
  Nets,
  Objective,
  Terms,
)
from vision_jax.errors import UserError
from vision_jax.losses.restoration import LOSSES
from vision_jax.ops.luma import check_kind, luma, with_luma
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class Restoration(OneNet):
  """Maps images to what they were before noise, or before they were smaller.

  A batch has `image` (b, h, w, c) and `clean` (b, s h, s w, c), both in [0, 1],
  and `mask` (b,). A net that takes the noise's level is given the batch's
  `noise` (b,), its deviation in [0, 1], or `sigma` where there is none.

  Attributes:
    model: (image, *, train, mask) -> what it was, of the size of `clean`.
    loss: "l1", "l2" or "charbonnier".
    luma: of colours, which luma the net restores, see `ops.luma`: chroma is
      resized by bicubic; "" gives it all channels.
    residual: whether the model gives what is to be added to its input, of the
      same size.
    sigma: deviation of the noise, in levels of 255, of a model that takes it
      after the image; None for other models.
  """

  model: nn.Module
  loss: str = "l1"
  luma: str = ""
  residual: bool = False
  sigma: float | None = None

  def __post_init__(self):
    check_name("loss", self.loss, LOSSES)
    if self.luma:
      check_kind(self.luma)

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the one net descends."""
    return (Objective(NET, self._loss, {self.loss: 1.0}),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters and its statistics, if it has any."""
    return self.net.init(key, *self._inputs(batch))

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `restored` (b, s h, s w, c) in [0, 1], float32.

    And `luma` (b, s h, s w, 1) as the net gives it, where it restores that.
    """
    del key
    image, inputs = batch["image"], self._inputs(batch)
    found = self.net.given(params, stats)(*inputs, train=False)
    found = self._whole(found, inputs[0])
    if not self.luma:
      return {"restored": jnp.clip(found, 0, 1)}
    b, h, w, _ = found.shape
    colours = jax.image.resize(image, (b, h, w, image.shape[-1]), "cubic")
    colours = with_luma(colours, found, self.luma)
    return {"restored": jnp.clip(colours, 0, 1), "luma": found}

  def _inputs(self, batch: Batch) -> tuple[Array, ...]:
    """What the model is given: the image, and the noise where it takes that."""
    seen = self._seen(batch["image"])
    if self.sigma is None:
      return (seen,)
    given = jnp.full(len(seen), self.sigma / 255, jnp.float32)
    return seen, batch.get("noise", given)

  def _seen(self, image: Array) -> Array:
    return luma(image, self.luma) if self.luma else image

  def _whole(self, found: Array, seen: Array) -> Array:
    return seen + found if self.residual else found

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    found, clean, stats = self._restored(params, stats, batch, key, train)
    error = LOSSES[self.loss](found, clean)
    return {self.loss: Mean.of(error, batch["mask"])}, stats

  def _restored(
    self, params, stats, batch, key, train
  ) -> tuple[Array, Array, Nets]:
    """Returns what the net makes, what it is to make, and new statistics."""
    inputs, clean = self._inputs(batch), self._seen(batch["clean"])
    seen, mask = inputs[0], batch["mask"]
    found, stats = self.net.run(
      params, stats, *inputs, key=key, train=train, mask=mask
    )
    found = self._whole(found, seen)
    if found.shape != clean.shape:
      raise UserError(
        f"Restoration: the net makes {found.shape} of images {seen.shape}; "
        f"expected {clean.shape}, as the clean ones are. Check its scale."
      )
    return found, clean, stats
