"""CARN-M: its authors' names and weights, of all scales in one file."""

import functools

from vision_jax.data.transforms.preprocess import as_stored
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv
from vision_jax.models.restoration.carn import CARN


def authors(shapes: Shapes) -> Rules:
  """Their names; a block that is applied three times is there once."""
  del shapes
  return [
    *conv(r"(sub|add)_mean\.shifter", "{1}_mean"),
    *conv("(entry|exit)", "{1}"),
    *(
      rule
      for i in (1, 2, 3)
      for rule in conv(
        rf"b(\d)\.b1\.body\.{2 * i - 2}", f"cascade{{1}}/block/conv{i}"
      )
    ),
    *conv(r"b(\d)\.c(\d)\.body\.0", "cascade{1}/fuse{2}"),
    *conv(r"c(\d)\.body\.0", "fuse{1}"),
    *conv(r"upsample\.up(\d)\.body\.0", "up{1}_1"),
    *conv(r"upsample\.up(\d)\.body\.3", "up{1}_2"),
  ]


LAYOUTS = {"carn": authors}
PUBLISHED = {
  f"carn:carn_m_x{scale}": Published(
    functools.partial(CARN, scale), "carn", as_stored(3), task="restoration"
  )
  for scale in (2, 3, 4)
}
