"""How a codebook is used over a data set."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch

_LOG = logging.getLogger(__name__)
COLLAPSED = 0.01  # of the codebook: what is used evenly, and less, has


@dataclasses.dataclass(frozen=True)
class CodeUse:
  """Of an output `codes` int (b, ...): how many of a codebook's are used.

  `code_perplexity`: exp of the entropy of all codes of the set, between 1 and
  the codebook's size; `codes_used`: the share of the codebook that occurs. A
  codebook that has collapsed to a few codes is warned of.

  Attributes:
    size: number of codes.
  """

  size: int
  state: ClassVar[Any] = None
  names: ClassVar[tuple[str, ...]] = ("code_perplexity", "codes_used")

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Counts each code."""
    del state
    codes = out["codes"].reshape(len(batch["mask"]), -1)
    chosen = jax.nn.one_hot(codes, self.size)
    return {"codes": jnp.einsum("blk,b->k", chosen, batch["mask"])}, {}

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Returns the perplexity and the share that is used."""
    del rows
    count = np.asarray(sums["codes"], np.float64)
    share = count[count > 0] / count.sum()
    perplexity = float(np.exp(-np.sum(share * np.log(share))))
    if perplexity < max(COLLAPSED * self.size, 1.5):
      _LOG.warning(
        "The codebook has collapsed: perplexity %.1f of %d codes, so nearly "
        "all places have the same ones. Look at the range of the images, and "
        "at decay and restart; lower the learning rate.",
        perplexity,
        self.size,
      )
    return {
      "code_perplexity": perplexity,
      "codes_used": len(share) / self.size,
    }
