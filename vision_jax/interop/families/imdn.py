"""IMDN: its authors' names and weights."""

import functools

from vision_jax.data.transforms.preprocess import as_stored
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv
from vision_jax.models.restoration.imdn import IMDN, IMDN_RTC


def authors(shapes: Shapes) -> Rules:
  """The names of the net, and positions in the net for real time."""
  last = sum(path.endswith("/c5/kernel") for path in shapes)
  return [
    *conv("fea_conv", "conv"),
    *conv(r"IMDB(\d+)\.c(\d)", "block{1}/c{2}"),
    *conv(r"IMDB(\d+)\.cca\.conv_du\.0", "block{1}/cca_1"),
    *conv(r"IMDB(\d+)\.cca\.conv_du\.2", "block{1}/cca_2"),
    *conv(r"c\.0", "fuse"),
    *conv("LR_conv", "trunk"),
    *conv(r"upsampler\.0", "up"),
    *conv(r"model\.0", "conv"),
    *conv(r"model\.1\.sub\.(\d+)\.c(\d)", "block{1+1}/c{2}"),
    *conv(rf"model\.1\.sub\.{last}", "trunk"),
    *conv(r"model\.2", "up"),
  ]


LAYOUTS = {"imdn": authors}
PUBLISHED = {
  **{
    f"imdn:imdn_x{scale}": Published(
      functools.partial(IMDN, scale), "imdn", as_stored(3), task="restoration"
    )
    for scale in (2, 3, 4)
  },
  "imdn:imdn_rtc": Published(
    IMDN_RTC, "imdn", as_stored(3), task="restoration"
  ),
}
