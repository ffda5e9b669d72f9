"""Scenes that a caption was drawn as, read back by a net trained apart."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.metrics.generation_extractor import (
  Extractor,
  check_range,
  outside,
)

_SETS = {"fake": "", "real": "_real"}  # and what their metrics end on


@dataclasses.dataclass(frozen=True, eq=False)
class ScenesRead:
  """Shares of what was asked for that is read back right.

  `captions` are whole ones, each digit in its colour and place; `digits` and
  `colours` are those of single places. `captions_real` and the like are of the
  real images, true scenes of the same captions: what the reader itself can do.

  Attributes:
    reader: an extractor with logits (b, places, k) of what is at each place, a
      classifier that was trained apart from the generator. A batch's `kinds`
      (b, places) is what was asked for.
    digits: how many digits there are; kind k is of digit k % digits, and of
      colour k // digits.
  """

  reader: Extractor
  digits: int = 10

  @property
  def state(self) -> dict[str, Any]:
    """The reader's weights."""
    return self.reader.state

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    kinds = ("captions", "digits", "colours")
    return tuple(name + end for end in _SETS.values() for name in kinds)

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums the hits on both sets, and the mask."""
    mask = batch["mask"].astype(jnp.float32)
    sums = {"count": jnp.sum(mask)}
    for name, image in (("fake", out["image"]), ("real", batch["image"])):
      logits = self.reader.apply(state["weights"], image)["logits"]
      for what, hit in self._hits(logits, batch["kinds"]).items():
        sums[f"{what}_{name}"] = jnp.sum(mask * hit)
      sums[f"outside_{name}"] = outside(image, mask, self.reader)
    return sums, {}

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Divides by the number of scenes."""
    del rows
    check_range(sums, self.reader)
    return {
      what + end: float(sums[f"{what}_{name}"]) / float(sums["count"])
      for name, end in _SETS.items()
      for what in ("captions", "digits", "colours")
    }

  def _hits(self, logits: Array, wanted: Array) -> dict[str, Array]:
    """Returns shares (b,) of the places that are right, by what is told."""
    read = jnp.argmax(logits, -1)
    return {
      "captions": jnp.all(read == wanted, 1),
      "digits": jnp.mean(read % self.digits == wanted % self.digits, 1),
      "colours": jnp.mean(read // self.digits == wanted // self.digits, 1),
    }
