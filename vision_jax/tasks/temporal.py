"""Temporal segmentation: a class for each frame of a sequence."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.losses.temporal import frame_cross_entropy, truncated_mse
from vision_jax.tasks.net import NET, OneNet

IGNORE = 255


@dataclasses.dataclass(frozen=True)
class TemporalSegmentation(OneNet):
  """One class for each frame, as MS-TCN learns it.

  A batch has what the model sees, (b, t, ...), `target` (b, t), integers, and
  `frame_mask` (b, t), 0 for padding; without one all frames count.

  Differs from the paper: the smoothing is a mean over frames that there are,
  and not over padding too.

  Attributes:
    model: (x, frames, *, train, mask) -> logits of stages (b, s, t, k); the
      last one's are predicted.
    sees: key of the batch that the model is given.
    smoothing: weight of the change from frame to frame, lambda in the paper.
    most_change: from which on a change does not cost more, tau.
    ignore: the target's value that does not count.
  """

  model: nn.Module
  sees: str = "joints"
  smoothing: float = 0.15
  most_change: float = 4.0
  ignore: int = IGNORE

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The sum over the stages, to be descended by the one net."""
    weights = {"cross_entropy": 1.0, "smoothing": self.smoothing}
    return (Objective(NET, self._loss, weights),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters and its statistics, if it has any."""
    return self.net.init(key, batch[self.sees], self._frames(batch))

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `target` (b, t): each frame's most likely class.

    uint8, or int32 for more than 255 classes.
    """
    del key
    net = self.net.given(params, stats)
    logits = net(batch[self.sees], self._frames(batch), train=False)[:, -1]
    small = logits.shape[-1] <= IGNORE
    dtype = jnp.uint8 if small else jnp.int32
    return {"target": jnp.argmax(logits, -1).astype(dtype)}

  def _frames(self, batch: Batch) -> Array:
    if "frame_mask" in batch:
      return batch["frame_mask"]
    return jnp.ones(batch[self.sees].shape[:2], jnp.float32)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    target, frames = batch["target"], self._frames(batch)
    logits, stats = self.net.run(
      *(params, stats, batch[self.sees], frames),
      key=key,
      train=train,
      mask=batch["mask"],
    )
    real = batch["mask"][:, None] * frames
    right = frame_cross_entropy(logits, target[:, None]).sum(1)
    change = truncated_mse(logits, self.most_change).sum(1)
    return {
      "cross_entropy": Mean.of(right, real * (target != self.ignore)),
      "smoothing": Mean.of(change, real[:, 1:] * real[:, :-1]),
    }, stats
