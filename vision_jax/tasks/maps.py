"""A classifier of windows as a map of larger images."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch, Nets
from vision_jax.errors import UserError
from vision_jax.tasks.net import Net


@dataclasses.dataclass(frozen=True)
class WindowMaps:
  """Maps of a trained classifier: its logits at windows, and between them.

  `slid` and `convolutional` are outputs of an `Eval` on images (b, h, w, c).
  Both give `target` (b, h, w) uint8 and `probs` (b, h, w, k) float32. A
  window's logits stand at its centre; between centres they are interpolated
  linearly, and beyond the outermost they stay.

  Attributes:
    model: (windows, *, train) -> logits (b, k).
    everywhere: the same net on whole images -> logits (b, h', w', k), of
      windows every `stride` pixels.
    window: side of the windows, in pixels.
    stride: pixels from one of `everywhere`'s windows to the next.
    step: the same of those that slide.
  """

  model: nn.Module
  everywhere: nn.Module
  window: int
  stride: int
  step: int

  @classmethod
  def of(cls, model: nn.Module, step: int) -> "WindowMaps":
    """Returns the maps of a model with `window`, `stride` and `everywhere`."""
    whole = model.clone(everywhere=True)
    return cls(model, whole, model.window, model.stride, step)

  def __post_init__(self):
    if self.step < 1:
      raise UserError(f"step: got {self.step}; expected pixels, 1 or more.")

  def slid(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Cuts every window out and classifies it, a row of windows at a time."""
    del key
    logits = self.slid_logits(params, stats, batch["image"])
    return self._map(logits, batch["image"].shape[1:3], self.step)

  def convolutional(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Runs the net over whole images, once."""
    del key
    logits = self.convolutional_logits(params, stats, batch["image"])
    return self._map(logits, batch["image"].shape[1:3], self.stride)

  def slid_logits(self, params: Nets, stats: Nets, image: Array) -> Array:
    """Returns logits (b, t, t', k) of the windows every `step` pixels."""
    net = Net(self.model).given(params, stats)
    rows, columns = (self._starts(n) for n in image.shape[1:3])

    def row(top):
      band = jax.lax.dynamic_slice_in_dim(image, top, self.window, 1)
      windows = [band[:, :, x : x + self.window] for x in columns]
      stacked = jnp.stack(windows, 1)
      logits = net(stacked.reshape(-1, *stacked.shape[2:]), train=False)
      return logits.reshape(*stacked.shape[:2], -1)

    return jnp.moveaxis(jax.lax.map(row, jnp.array(rows)), 0, 1)

  def convolutional_logits(
    self, params: Nets, stats: Nets, image: Array
  ) -> Array:
    """Returns logits (b, t, t', k) of the windows every `stride` pixels."""
    return Net(self.everywhere).given(params, stats)(image, train=False)

  def _starts(self, length: int) -> range:
    if length < self.window:
      raise UserError(
        f"image: got a side of {length} pixels for windows of {self.window}; "
        "expected as many or more. Give larger tiles."
      )
    return range(0, length - self.window + 1, self.step)

  def _map(
    self, logits: Array, size: tuple[int, int], step: int
  ) -> dict[str, Array]:
    rows, columns = (
      interpolation(n, t, self.window, step)
      for n, t in zip(size, logits.shape[1:3], strict=True)
    )
    logits = jnp.einsum(
      "bijk,yi,xj->byxk", logits, rows, columns, precision="highest"
    )
    target = jnp.argmax(logits, -1).astype(jnp.uint8)
    return {"target": target, "probs": nn.softmax(logits)}


def interpolation(
  length: int, number: int, window: int, step: int
) -> np.ndarray:
  """Weights (length, number) that spread windows' values over the pixels.

  Window i begins at pixel i * step; its value stands at its centre.
  """
  centres = np.arange(number) * step + (window - 1) / 2
  one = np.eye(number)
  weights = [np.interp(np.arange(length), centres, row) for row in one]
  return np.stack(weights, 1).astype(np.float32)
