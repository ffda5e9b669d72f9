"""Losses that need no label: of an image's views, and of what is hidden."""

import math

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Mean
from vision_jax.losses.metric import Embedded, supervised_contrastive, unit


def interleaved(first: Array, second: Array) -> Array:
  """Returns rows (2b, ...) of two (b, ...), in turns: shards keep their own."""
  both = jnp.stack([first, second], 1)
  return both.reshape(-1, *first.shape[1:])


def views(vector: Array, index: Array, mask: Array) -> Embedded:
  """Returns an image's two views as the only examples of a class of its own.

  Args:
    vector: (2b, d), of two views of each image in turns.
    index: (b,), of the images.
    mask: (b,).
  """
  label = jnp.repeat(index, 2)
  place = interleaved(2 * index, 2 * index + 1)
  return Embedded(unit(vector), label, place, jnp.repeat(mask, 2))


def nt_xent(own: Embedded, every: Embedded, temperature: float = 0.5) -> Mean:
  """The cross entropy of finding an image's other view among all views.

  Of cosines over a temperature; a view is not compared with itself. It is the
  supervised contrastive loss where each image is a class.

  Args:
    own: a shard's views, as `views` gives them.
    every: those of the batch.
    temperature: > 0.

  Chen et al. (2020), "A Simple Framework for Contrastive Learning", eq. 1.
  """
  return supervised_contrastive(own, every, temperature)


def distilled(
  student: Array,
  teacher: Array,
  centre: Array | float = 0.0,
  *,
  temperature: float = 0.1,
  teacher_temperature: float = 0.04,
) -> Array:
  """Returns the cross entropy (b,) of a student by its teacher's probs.

  Args:
    student: logits (b, k) of one view.
    teacher: logits (b, k) of another.
    centre: (k,), what the teacher's logits are lessened by: their running mean,
      so that no class takes all images.
    temperature: of the student.
    teacher_temperature: lower, so that the teacher is sharper, and not all
      classes take all images alike.

  Caron et al. (2021), "Emerging Properties in Self-Supervised Vision
  Transformers", section 3.1.
  """
  target = jax.nn.softmax((teacher - centre) / teacher_temperature)
  log_prob = jax.nn.log_softmax(student / temperature)
  return -jnp.sum(jax.lax.stop_gradient(target) * log_prob, -1)


def patches(image: Array, side: int) -> Array:
  """Returns the patches (b, l, side * side * c) of images, row by row."""
  b, h, w, c = image.shape
  x = image.reshape(b, h // side, side, w // side, side, c)
  return x.swapaxes(2, 3).reshape(b, -1, side * side * c)


def hidden_patches(pixels: Array, image: Array, hidden: Array) -> Array:
  """Returns the mean squared error (b,) of what is hidden of images.

  Each patch is normalised by its own mean and (unbiased) deviation first.

  Args:
    pixels: (b, l, side * side * c), of all patches, row by row.
    image: (b, h, w, c).
    hidden: (b, l), 1 where a patch was not seen.

  He et al. (2022), "Masked Autoencoders Are Scalable Vision Learners".
  """
  c, size = image.shape[-1], pixels.shape[-1]
  target = patches(image, math.isqrt(size // c))
  mean = jnp.mean(target, -1, keepdims=True)
  variance = jnp.var(target, -1, keepdims=True, ddof=1)
  target = (target - mean) * jax.lax.rsqrt(variance + 1e-6)
  error = jnp.mean(jnp.square(pixels - target), -1)
  return jnp.sum(error * hidden, -1) / jnp.sum(hidden, -1)
