"""Semantic segmentation: a class for every pixel."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses import segmentation as losses
from vision_jax.losses import segmentation_ranked as ranked
from vision_jax.losses.class_weights import check_class_weights
from vision_jax.ops.tiling import Tiles
from vision_jax.ops.views import Views
from vision_jax.tasks.net import NET, OneNet, heads

_PIXEL = {
  "cross_entropy": losses.pixel_cross_entropy,
  "focal": losses.pixel_focal,
}
_IMAGE = {
  "dice": losses.soft_dice,
  "jaccard": losses.soft_jaccard,
  "lovasz": ranked.lovasz_softmax,
}
_HARD = "ohem"
TERMS = (*_PIXEL, *_IMAGE, _HARD)


@dataclasses.dataclass(frozen=True)
class Segmentation(OneNet):
  """One class for each pixel.

  A batch has `image` (b, h, w, c) and `target` (b, h, w), integers. Where a
  model's logits are smaller (padding "valid"), training uses the target's
  middle; prediction needs `tiles`.

  Attributes:
    model: (image, *, train, mask) -> logits (b, h', w', k); in training also
      {"logits": ..., ...}, of which the others are auxiliary heads', as DeepLab
      v3's.
    terms: name -> weight of the loss's parts, out of cross_entropy and focal
      (a mean over pixels), dice, jaccard, lovasz and ohem (over images).
    ignore: the target's value that does not count.
    class_weights: (k,) weights of classes in the mean over pixels, or None.
    ohem_threshold, ohem_share: which pixels are hard, see
      `hardest_cross_entropy`.
    tiles: how images are cut up in evaluation and prediction; None takes them
      whole.
    views: how often images are seen in prediction, and in the predictions that
      an evaluation measures; each view goes through `tiles`, and probabilities
      are averaged. None takes them as they are, as losses do.
    auxiliary: weight of the loss of auxiliary heads beside the logits', where
      the model has some (0.5 in torchvision's recipes): each of `terms` is then
      one of theirs too, "auxiliary_cross_entropy".
  """

  model: nn.Module
  terms: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"cross_entropy": 1.0}
  )
  ignore: int = losses.IGNORE
  class_weights: Sequence[float] | None = None
  ohem_threshold: float = ranked.THRESHOLD
  ohem_share: float = ranked.SHARE
  tiles: Tiles | None = None
  views: Views | None = None
  auxiliary: float = 0.0

  def __post_init__(self):
    if not self.terms:
      raise UserError(f"terms: got none; expected some of {', '.join(TERMS)}.")
    for name in self.terms:
      check_name("terms", name, TERMS)
    ranked.check_hard(self.ohem_threshold, self.ohem_share)

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted terms, to be descended by the one net."""
    weights = dict(self.terms)
    if self.auxiliary:
      more = {_of_heads(n): self.auxiliary * w for n, w in self.terms.items()}
      weights |= more
    return (Objective(NET, self._loss, weights),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `target` (b, h, w): each pixel's most likely class.

    uint8, or int32 for more than 255 classes.
    """
    found = self.probs(params, stats, batch, key)
    return {"target": found["target"]}

  def probs(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `target` as `predict`, and `probs` (b, h, w, k), float32.

    They are the softmax over the classes: as an `Eval`'s `output` for what
    measures probabilities, and for writers of them.
    """
    del key
    if self.views is not None:
      seen = lambda image: self._probs(self._logits(params, stats, image))
      probs = self.views(seen, batch["image"])
      return {"target": _most_likely(probs), "probs": probs}
    logits = self._logits(params, stats, batch["image"])
    return {"target": _most_likely(logits), "probs": self._probs(logits)}

  def sliding(self, tiles: Tiles) -> Callable[..., dict[str, Array]]:
    """Returns `predict` with other tiles, as an `Eval`'s `output`."""
    return dataclasses.replace(self, tiles=tiles).predict

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    if train:
      out, stats = self.net.run(
        *(params, stats, batch["image"]),
        key=key,
        train=True,
        mask=batch["mask"],
      )
    else:
      out = self._whole(params, stats, batch["image"])
    logits, *others = heads(out, train, self.auxiliary)
    check_class_weights(self.class_weights, logits.shape[-1])
    terms = self._terms(logits, batch)
    found = [self._terms(other, batch) for other in others]
    for name in self.terms if others else ():
      total = sum(head[name].total for head in found)
      terms[_of_heads(name)] = Mean(total, terms[name].count)
    return terms, stats

  def _terms(self, logits: Array, batch: Batch) -> dict[str, Mean]:
    """Returns the loss's parts, of the logits of one head."""
    target, mask = _middle(batch["target"], logits.shape), batch["mask"]
    weights = losses.pixel_weights(
      target, ignore=self.ignore, class_weights=self.class_weights
    )
    terms = {}
    for name in self.terms:
      if name in _PIXEL:
        values = _PIXEL[name](logits, target, ignore=self.ignore)
        terms[name] = Mean.of(values, weights * mask[:, None, None])
      else:
        values = self._of_images(name)(logits, target, ignore=self.ignore)
        terms[name] = Mean.of(values, mask)
    return terms

  def _of_images(self, name: str) -> Callable[..., Array]:
    if name != _HARD:
      return _IMAGE[name]
    return functools.partial(
      ranked.hardest_cross_entropy,
      class_weights=self.class_weights,
      threshold=self.ohem_threshold,
      share=self.ohem_share,
    )

  def _whole(self, params: Nets, stats: Nets, image: Array) -> Array:
    model = functools.partial(self.net.given(params, stats), train=False)
    return model(image) if self.tiles is None else self.tiles(model, image)

  def _logits(self, params: Nets, stats: Nets, image: Array) -> Array:
    """Returns logits of all of an image's pixels."""
    logits = self._whole(params, stats, image)
    if logits.shape[1:3] != image.shape[1:3]:
      raise UserError(
        f"Segmentation: got logits {logits.shape} for images {image.shape}; "
        "expected one for each pixel. A model with padding 'valid' predicts "
        "through `tiles`, such as Tiles((572, 572), (384, 384), margin=92)."
      )
    return logits

  @staticmethod
  def _probs(logits: Array) -> Array:
    return nn.softmax(logits.astype(jnp.float32))


def _of_heads(term: str) -> str:
  """The name of a term of auxiliary heads."""
  return f"auxiliary_{term}"


def _middle(target: Array, shape: tuple[int, ...]) -> Array:
  """Cuts target (b, h, w) to logits (b, h', w', k), around its centre."""
  top, left = (
    (n - m) // 2 for n, m in zip(target.shape[1:], shape[1:3], strict=True)
  )
  return target[:, top : top + shape[1], left : left + shape[2]]


def _most_likely(scores: Array) -> Array:
  small = scores.shape[-1] <= 255
  return jnp.argmax(scores, -1).astype(jnp.uint8 if small else jnp.int32)
