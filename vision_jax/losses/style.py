"""What style is compared by: which channels of a map go together."""

from collections.abc import Mapping

import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.losses.restoration import l2
from vision_jax.ops.adain import moments


def gram(x: Array) -> Array:
  """Products of channels of a map (b, h, w, c), summed over places: (b, c, c).

  The Gram matrices of Gatys et al. (2016), whose places are not told apart; a
  sum as there, in float32, and not a mean.
  """
  x = x.reshape(len(x), -1, x.shape[-1]).astype(jnp.float32)
  return jnp.einsum("bpc,bpd->bcd", x, x, precision="highest")


def style_of(x: Array) -> Array:
  """The Gram matrix (b, c, c) of a map (b, h, w, c), over its h w c numbers.

  So it compares with that of a map of another size (Johnson et al., 2016,
  arxiv.org/abs/1603.08155, equation 3).
  """
  _, h, w, c = x.shape
  return gram(x) / (h * w * c)


def style_terms(
  maps: Mapping[str, Array],
  content: Mapping[str, Array],
  style: Mapping[str, Array],
) -> dict[str, Array]:
  """Returns how far images are from a content and from a style, (b,) each.

  Of Gatys et al. (2016), "Image Style Transfer Using Convolutional Neural
  Networks". `content` is the mean squared difference of maps, `style` that of
  their Gram matrices; both are added over layers.

  Differs from the paper: means in the place of sums, so that a weight is one
  for all sizes of images. Of a layer with c channels the paper's error of style
  is (c / 2)² times this one, Johnson's c² times. The authors' own code divides
  by c² as well.

  Args:
    maps: of the images, by layer, (b, h, w, c).
    content: of the content, likewise, of the layers that it is compared by.
    style: `style_of` the style's maps, (b or 1, c, c), by layer.
  """
  return {
    "content": sum(
      l2(maps[name].astype(jnp.float32), x.astype(jnp.float32))
      for name, x in content.items()
    ),
    "style": sum(
      jnp.mean((style_of(maps[name]) - x) ** 2, (1, 2))
      for name, x in style.items()
    ),
  }


def moments_distance(first: Array, second: Array) -> Array:
  """Returns distances (b,) of styles by moments of maps (b, h, w, c).

  Mean squared differences of the channels' means and of their deviations, both
  added (Huang and Belongie, 2017, arxiv.org/abs/1703.06868, equation 13; with
  means over channels as in the authors' code).

  Args:
    first: maps.
    second: maps of as many channels, of any size.
  """
  pairs = zip(moments(first), moments(second), strict=True)
  return sum(l2(x, y) for x, y in pairs)


def variation(image: Array) -> Array:
  """How rough images (b, h, w, c) are: (b,).

  The mean squared difference of pixels that are neighbours, vertically and
  horizontally: total variation with squares, as Johnson et al. have it, as a
  mean.
  """
  down = image[:, 1:] - image[:, :-1]
  right = image[:, :, 1:] - image[:, :, :-1]
  return jnp.mean(down**2, (1, 2, 3)) + jnp.mean(right**2, (1, 2, 3))
