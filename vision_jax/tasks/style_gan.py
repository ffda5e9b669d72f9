"""Adversarial training of a generator with styles, as StyleGAN2 has it."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.forms.nested import when
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.noise import normals
from vision_jax.tasks.gan import GAN, GENERATOR
from vision_jax.tasks.generative import SIGNED, latents

PATH = "path"  # statistics: the mean length of a path, {"length": ()}
# Which of an example's draws is which; from 0 on z and the layers' noise.
SECOND, CROSSING, PIXELS = 1000, 1001, 1002
CENTRE = 256  # draws of z, for the mean w


@dataclasses.dataclass(frozen=True)
class StyleGAN(GAN):
  """A `GAN` with mixed styles and paths of one length.

  Karras et al., 2020, https://arxiv.org/abs/1912.04958, section 3.2: a step in
  w is to change an image as much wherever it is, so that the norm of what w
  does to a random image, averaged over layers, is drawn to its mean. That mean
  moves by a share of each batch's; differs: the penalty has it as it was before
  the batch, so that shards need not know each other's. Mixed styles are of
  https://arxiv.org/abs/1812.04948, section 3.1. Takes a `StyleGAN2Generator`.

  Logs the mean length `path_length` where there is a penalty.

  Attributes:
    mixing: probability that layers from a random one on have another image's w.
    path: weight of the paths' penalty (2 in the paper), or 0.
    path_every: steps from one such penalty to the next, which is as many times
      as heavy.
    path_share: by which the mean length moves to a batch's.
  """

  mixing: float = 0.9
  path: float = 0.0
  path_every: int = 4
  path_share: float = 0.01

  def __post_init__(self):
    super().__post_init__()
    for name in ("mixing", "path_share"):
      if not 0 <= getattr(self, name) <= 1:
        raise UserError(f"{name}: got {getattr(self, name)}; expected 0 to 1.")
    if self.path < 0 or self.path_every < 1:
      raise UserError(
        f"path: got {self.path} and path_every={self.path_every}; expected a "
        "weight of 0 or more, and at least 1."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The discriminator's, then the generator's with the paths' penalty."""
    first, second = super().objectives
    more = {PATH: self.path} if self.path else {}
    weights = {**second.weights, **more}
    return first, dataclasses.replace(second, weights=weights)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics of both nets."""
    params, stats = super().init(key, batch)
    if self.path:
      own = {**stats[GENERATOR], PATH: {"length": jnp.zeros((), jnp.float32)}}
      stats = {**stats, GENERATOR: own}
    return params, stats

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    interpolate: int = 0,
    truncation: float = 1.0,
    mix_from: int = 0,
  ) -> dict[str, Array]:
    """Draws `image` (b, h, w, c), one for each `index` of the batch.

    The net's pixels are of no certain range: what is outside is cut off.

    Args:
      params: the parameters of both nets, by name.
      stats: the statistics of both nets, by name.
      batch: `index`, and what the condition reads.
      key: an image depends on it, its index and its condition alone.
      interpolate: images from one z to the next, see `generative.latents`.
      truncation: what is left of a w's distance from the mean w of its
        condition; less is more alike and better.
      mix_from: the layer, counted from the smallest map, from which on images
        have the w of that with the next index; 0 for none.

    Raises:
      UserError: for a `mix_from` that is no layer.
    """
    if not 0 <= mix_from < self.generator.layers:
      raise UserError(
        f"mix_from: got {mix_from}; expected 0, or a layer from 1 to "
        f"{self.generator.layers - 1}."
      )
    styles = functools.partial(self._styles, params, stats, batch, key)
    w = self.generator.spread(styles(interpolate=interpolate))
    if mix_from:
      following = {**batch, "index": batch["index"] + 1}
      other = styles(following, interpolate=interpolate)
      w = crossed(w, other, jnp.full(len(w), mix_from))
    if truncation != 1.0:
      centre = self._centre(params, stats, batch)[:, None]
      w = centre + truncation * (w - centre)
    return {"image": jnp.clip(self._draw(params, w, batch, key), *SIGNED)}

  def _generate(self, params, stats, batch, key, *, step, train) -> Terms:
    terms, new = super()._generate(
      params, stats, batch, key, step=step, train=train
    )
    if not self.path or not train:
      return terms, new
    mean = stats[GENERATOR][PATH]["length"]
    lengths = lambda: self._lengths(params, stats, batch, key)
    due = jnp.asarray(step) % self.path_every == 0
    found = when(due, lengths, lambda: jnp.full(len(batch["mask"]), mean))
    penalty = self.path_every * jnp.square(found - mean)
    counted = jnp.where(due, batch["mask"], 0)
    moved = mean + self.path_share * (jax.lax.stop_gradient(found) - mean)
    length = {"length": Mean.of(moved, counted)}
    own = {**new[GENERATOR], PATH: length}
    terms = terms | {
      PATH: Mean.of(penalty, batch["mask"]),
      "path_length": Mean.of(
        jnp.broadcast_to(mean, found.shape), batch["mask"]
      ),
    }
    return terms, {**new, GENERATOR: own}

  def _lengths(self, params, stats, batch, key) -> Array:
    """How far images move with w, (b,), by a random image of each."""
    w = self.generator.spread(self._styles(params, stats, batch, key))
    noise = normals(example_keys(batch, key), PIXELS, batch["image"].shape[1:])
    return path_lengths(lambda w: self._draw(params, w, batch, key), w, noise)

  def _fake(self, params, stats, batch, key, train) -> tuple[Array, Nets]:
    """Returns an image for each z, and all statistics."""
    w = self.generator.spread(self._styles(params, stats, batch, key))
    if self.mixing:
      other = self._styles(params, stats, batch, key, number=SECOND)
      draw = lambda k: jax.random.uniform(jax.random.fold_in(k, CROSSING), (2,))
      mixed, place = jax.vmap(draw)(example_keys(batch, key)).T
      layers = self.generator.layers
      start = 1 + (place * (layers - 1)).astype(jnp.int32)
      start = jnp.where(mixed < self.mixing, start, layers)
      w = crossed(w, other, start)
    return self._draw(params, w, batch, key), stats

  def _styles(
    self, params, stats, batch, key, drawn=None, *, number=0, interpolate=0
  ) -> Array:
    """The w (b, d) of a batch's indices, or of those of the batch `drawn`."""
    z = latents(
      batch if drawn is None else drawn,
      key,
      self.generator.latent,
      number=number,
      interpolate=interpolate,
    )
    given = self.condition.of(params, stats, batch)
    return self._net(params)(z, given, method="styles")

  def _centre(self, params, stats, batch) -> Array:
    """The mean w (b, d) of what each image is asked to be."""
    given = self.condition.of(params, stats, batch)
    shape = (CENTRE, self.generator.latent)  # the same draws for each image
    draws = jax.random.normal(jax.random.key(0), shape, jnp.float32)

    def add(total: Array, z: Array) -> tuple[Array, None]:
      same = jnp.broadcast_to(z, total.shape)
      return total + self._net(params)(same, given, method="styles"), None

    nothing = jnp.zeros((len(batch["index"]), shape[1]), jnp.float32)
    return jax.lax.scan(add, nothing, draws)[0] / CENTRE

  def _draw(self, params, w: Array, batch: Batch, key: Array) -> Array:
    keys = example_keys(batch, key)
    return self._net(params)(w, keys, method="draw")

  def _net(self, params: Nets):
    return functools.partial(
      self.generator.apply, {"params": params[GENERATOR]}
    )


def crossed(w: Array, other: Array, start: Array) -> Array:
  """Gives layers of w (b, l, d) from `start` (b,) on the other w (b, d)."""
  layer = jnp.arange(w.shape[1])[:, None]
  return jnp.where(layer < start[:, None, None], w, other[:, None])


def path_lengths(
  draw: Callable[[Array], Array], w: Array, noise: Array
) -> Array:
  """How far images move with w, (b,), in the direction of random images.

  The root of the mean over layers of |J^T y|², equation 4 of the paper, of
  which J says how an image changes with w; y is the noise over the root of the
  number of its pixels.

  Args:
    draw: images (b, h, w, c) of w; each of its own alone.
    w: (b, l, d), of each layer.
    noise: (b, h, w, c), standard normal.
  """
  scale = (noise.shape[1] * noise.shape[2]) ** -0.5
  moved = jax.grad(lambda w: scale * jnp.sum(draw(w) * noise))(w)
  square = jnp.sum(jnp.square(moved), -1)
  return jnp.sqrt(jnp.mean(square, -1) + 1e-12)  # whose root has a slope
