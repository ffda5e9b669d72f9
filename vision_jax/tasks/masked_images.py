"""Masked images: what is hidden of an image, drawn from what is seen of it."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.self_supervised import hidden_patches
from vision_jax.ops.augment.keys import uniforms
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class MaskedImages(OneNet):
  """Learns features without labels (MAE, He et al., 2022).

  A batch has `image` (b, h, w, c), `index` and `mask` (b,). Which patches are
  hidden follows from an example's index and the step's key.

  Attributes:
    model: (image, keep, *, train) -> {"pixels": ...}, and without keep
      {"features": (b, f)}, as `MaskedAutoencoder`.
    patch: side of its patches in pixels.
    hidden: part of an image's patches that is hidden.
  """

  model: nn.Module
  patch: int
  hidden: float = 0.75

  def __post_init__(self):
    if not 0 < self.hidden < 1:
      raise UserError(
        f"hidden: got {self.hidden}; expected a part of the patches, above 0 "
        "and below 1."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the one net descends."""
    return (Objective(NET, self._loss, {"pixels": 1.0}),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the parameters of encoder and decoder."""
    b, (total, seen) = len(batch["image"]), self._counts(batch["image"])
    keep = jnp.broadcast_to(jnp.arange(total)[:seen], (b, seen))
    return self.net.init(key, batch["image"], keep)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `features` (b, f) of whole images."""
    del key
    return self.net.given(params, stats)(batch["image"], train=False)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    total, seen = self._counts(batch["image"])
    order = jnp.argsort(uniforms(batch, key, total), axis=1)
    rank = jnp.argsort(order, axis=1)
    out, stats = self.net.run(
      *(params, stats, batch["image"], order[:, :seen]), key=key, train=train
    )
    hidden = (rank >= seen).astype(jnp.float32)
    values = hidden_patches(out["pixels"], batch["image"], hidden)
    return {"pixels": Mean.of(values, batch["mask"])}, stats

  def _counts(self, image: Array) -> tuple[int, int]:
    """Returns how many patches there are, and how many are seen."""
    _, h, w, _ = image.shape
    total = (h // self.patch) * (w // self.patch)
    seen = round(total * (1 - self.hidden))
    if not 0 < seen < total:
      raise UserError(
        f"hidden: got {self.hidden} of {total} patches, which leaves {seen}; "
        "expected some to be seen and some hidden. Use smaller patches."
      )
    return total, seen
