"""A region proposal network: boxes of an image that may have an object.

Ren et al., 2015, https://arxiv.org/abs/1506.01497, on a pyramid's maps.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.models.detection.dense_head import (
  Tower,
  head_conv,
  rows,
  sides_of,
)
from vision_jax.ops.anchors import Sides, anchors, cell
from vision_jax.ops.box_coders import Offsets
from vision_jax.ops.suppression import hard, suppress

LEAST_SIDE = 1e-3  # pixels of a box


class RegionProposals(nn.Module):
  """What each anchor of a pyramid's maps finds, by convolutions they share.

  Paths tower, class_head, box_head.

  Attributes:
    features: channels of the maps and the tower.
    convs: of the tower.
    size: side of the first level's anchors, in pixels; each further level's is
      twice that of the one before.
    ratios: height by width of the anchors.
    dtype: type to compute in; the results are float32.
  """

  features: int = 256
  convs: int = 1
  size: int = 32
  ratios: Sequence[float] = (0.5, 1.0, 2.0)
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, maps: Sequence[Array], image: Sides) -> dict[str, tuple]:
    """Maps maps (b, h, w, d), finest first, to what anchors find.

    Args:
      maps: of the pyramid.
      image: (height, width) of the image in pixels.

    Returns:
      Of each level, with l = h w a anchors: `objectness` (b, l) logits,
      `offsets` (b, l, 4) as `Offsets` has them, and `anchors` (l, 4).
    """
    cells = [cell([self.size * 2**i], self.ratios) for i in range(len(maps))]
    head = functools.partial(head_conv, kernel=1)
    tower = Tower(self.convs, self.features, 0, self.dtype, name="tower")
    class_head = head(len(self.ratios), name="class_head")
    box_head = head(4 * len(self.ratios), name="box_head")
    towers = [tower(x) for x in maps]
    around = map(functools.partial(anchors, image), sides_of(maps), cells)
    return {
      "objectness": tuple(rows(class_head(y), 1)[..., 0] for y in towers),
      "offsets": tuple(rows(box_head(y), 4) for y in towers),
      "anchors": tuple(map(jnp.asarray, around)),
    }


def proposals(
  out: dict[str, tuple],
  canvas: Array,
  *,
  candidates: int,
  count: int,
  overlap: float,
) -> tuple[Array, Array]:
  """Returns the boxes (b, p, 4) that are proposed, and their scores (b, p).

  Of each level the best, of which those are dropped that overlap a better one;
  a score of 0 is no box. No gradient flows through them.

  Args:
    out: what `RegionProposals` returns.
    canvas: (b, 4), width, height, width, height of what images show.
    candidates: of each level, before the overlapping are dropped.
    count: p, at most.
    overlap: IoU above which one is dropped.
  """
  levels = []
  for i, logits in enumerate(out["objectness"]):
    best, place = jax.lax.top_k(logits, min(candidates, logits.shape[1]))
    code = jnp.take_along_axis(out["offsets"][i], place[..., None], 1)
    boxes = Offsets().decode(code, out["anchors"][i][place])
    levels.append((boxes, best, jnp.full_like(place, i)))
  boxes, logits, level = (
    jnp.concatenate(x, 1) for x in zip(*levels, strict=True)
  )
  boxes = jnp.clip(boxes, 0, canvas[:, None])
  there = (boxes[..., 2:] - boxes[..., :2] >= LEAST_SIDE).all(-1)
  score = jnp.where(there, jax.nn.sigmoid(logits), 0)
  boxes, score = jax.lax.stop_gradient((boxes, score))
  place, score = suppress(boxes, score, level, count=count, decay=hard(overlap))
  return jnp.take_along_axis(boxes, place[..., None], 1), score
