"""Objects as star-convex polygons, one for each place that is sure of one."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.ops.instances import largest_near
from vision_jax.ops.star_polygons import (
  draw_polygons,
  object_probs,
  ray_distances,
)
from vision_jax.ops.star_views import mirrored
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class StarPolygons(OneNet):
  """StarDist: Schmidt et al. (2018), https://arxiv.org/abs/1806.03535.

  A batch has `image` (b, h, w, c), `instances` (b, h, w) int32, see
  `vision_jax.ops.instances`, and `mask` (b,). At each place of a grid the net
  tells how central it is in an object (`object`: cross entropy) and how far the
  object's edge is along rays (`distance`: mean absolute error in pixels,
  weighted by how central the place is). Images without an object count for the
  first alone.

  Differs from the paper: the net gives distances over `typical`, less one;
  centrality is by the nearest edge along the rays; and of neighbouring places
  only the surest is a candidate. For the suppression see `draw_polygons`.

  Attributes:
    model: (image, *, train, mask) -> (b, h', w', 1 + rays), h' = h / grid,
      rounded up: the logit, and the distances.
    rays: r.
    grid: of every so many rows and columns the first is a place.
    typical: a distance in pixels, that 0 stands for.
    distance_weight: of the distances' term, beside the other's 1.
    relative: whether errors are those of an object whose mean distance is
      `typical`: what a polygon overlaps is a matter of its relative error, and
      in pixels large objects are nearly all of the term.
    least: how central a place has to be, to be a candidate.
    overlap: part of a polygon that better ones may have, see `draw_polygons`.
    candidates: of an image, p, at most.
    reach: the longest distance, in pixels; work grows with its square.
    flip: whether predictions are means over an image and its mirror images,
      left to right, top to bottom and both, which take four times as long. For
      an even number of rays.
  """

  model: nn.Module
  rays: int = 32
  grid: int = 2
  typical: float = 10.0
  distance_weight: float = 0.2
  relative: bool = False
  least: float = 0.5
  overlap: float = 0.4
  candidates: int = 4096
  reach: int = 64
  flip: bool = False

  def __post_init__(self):
    if not 0 < self.least < 1 or not self.typical > 0:
      raise UserError(
        f"StarPolygons: got least={self.least} and typical={self.typical}; "
        "expected a probability, and a distance above 0."
      )
    if self.flip and self.rays % 2:
      raise UserError(
        f"StarPolygons: got {self.rays} rays; expected an even number with "
        "flip, as a mirror image's rays are then its own."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """Both terms, to be descended by the one net."""
    weights = {"object": 1.0, "distance": self.distance_weight}
    return (Objective(NET, self._loss, weights),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `instances` (b, h, w) int32, numbered 1, 2, ... by certainty."""
    del key
    image, net = batch["image"], self.net.given(params, stats)
    parts = lambda x: self._parts(net(x, train=False), x)
    if self.flip:
      probs, distances = mirrored(parts, image, self.grid)
    else:
      logits, distances = parts(image)
      probs = jax.nn.sigmoid(logits)
    score, place = self._surest(probs)
    columns = jnp.full_like(place, probs.shape[2])
    row = jax.lax.div(place, columns)  # both are >= 0
    places = self.grid * jnp.stack([row, place - row * columns], -1)
    b, *_, r = distances.shape
    distances = distances.reshape(b, -1, r)
    chosen = jnp.take_along_axis(distances, place[..., None], 1)
    found = draw_polygons(
      *(score, places, chosen, image.shape[1:3]),
      overlap=self.overlap,
      reach=self.reach,
    )
    return {"instances": found}

  def _surest(self, probs: Array) -> tuple[Array, Array]:
    """Returns scores and places (b, p) of candidates, the best first."""
    peak = (probs >= largest_near(probs)) & (probs > self.least)
    flat = jnp.where(peak, probs, 0).reshape(len(probs), -1)
    score, place = jax.lax.top_k(flat, min(self.candidates, flat.shape[1]))
    return score, place.astype(jnp.int32)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, mask = batch["image"], batch["mask"]
    out, stats = self.net.run(
      params, stats, image, key=key, train=train, mask=mask
    )
    logits, distances = self._parts(out, image)
    numbers = batch["instances"]
    wanted = ray_distances(numbers, self.rays, grid=self.grid, reach=self.reach)
    probs = object_probs(numbers[:, :: self.grid, :: self.grid], wanted)
    error = jnp.abs(distances - wanted).mean(-1)
    if self.relative:
      error *= self.typical / jnp.maximum(wanted.mean(-1), 1.0)
    entropy = jax.nn.softplus(logits) - probs * logits
    terms = {
      "object": Mean.of(entropy, mask),
      "distance": Mean.of(error, probs * mask[:, None, None]),
    }
    return terms, stats

  def _parts(self, out: Array, image: Array) -> tuple[Array, Array]:
    """Returns logits (b, h', w'), and distances (b, h', w', r) in pixels."""
    h, w = (-(-n // self.grid) for n in image.shape[1:3])
    if out.shape != (len(image), h, w, 1 + self.rays):
      raise UserError(
        f"StarPolygons: the net gives {out.shape} for images {image.shape}; "
        f"expected {(len(image), h, w, 1 + self.rays)}: a logit and "
        f"{self.rays} distances for every {self.grid} x {self.grid} pixels."
      )
    out = out.astype(jnp.float32)
    return out[..., 0], self.typical * (1 + out[..., 1:])
