"""EDSR and MSRResNet: BasicSR's names, and those of EDSR's authors."""

import functools

from vision_jax.data.transforms.preprocess import as_stored
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, unused
from vision_jax.models.restoration.edsr import EDSR
from vision_jax.models.restoration.msrresnet import MSRResNet


def authors(shapes: Shapes) -> Rules:
  """Positions in sequences; their shifts of colours are fixed, and left out."""
  blocks = sum(path.endswith("/conv1/kernel") for path in shapes)
  return [
    *unused(r"(?:sub|add)_mean\.(?:weight|bias)"),
    *conv(r"head\.0", "conv_first"),
    *conv(r"body\.(\d+)\.body\.0", "block{1+1}/conv1"),
    *conv(r"body\.(\d+)\.body\.2", "block{1+1}/conv2"),
    *conv(rf"body\.{blocks}", "conv_body"),
    *conv(r"tail\.0\.0", "up1"),
    *conv(r"tail\.0\.2", "up2"),
    *conv(r"tail\.0\.4", "up3"),
    *conv(r"tail\.1", "conv_last"),
  ]


def basicsr(shapes: Shapes) -> Rules:
  """Their names, of both nets."""
  del shapes
  return [
    *conv("conv_first", "conv_first"),
    *conv(r"body\.(\d+)\.conv(\d)", "block{1+1}/conv{2}"),
    *conv("conv_after_body", "conv_body"),
    *conv(r"upsample\.0", "up1"),
    *conv(r"upsample\.2", "up2"),
    *conv(r"upconv(\d)", "up{1}"),
    *conv("conv_hr", "conv_hr"),
    *conv("conv_last", "conv_last"),
  ]


LAYOUTS = {"edsr": authors, "basicsr": basicsr}


def _published(layout: str, net: type, scale: int) -> Published:
  make = functools.partial(net, scale)
  return Published(make, layout, as_stored(3), task="restoration")


PUBLISHED = {
  **{f"edsr:baseline_x{x}": _published("edsr", EDSR, x) for x in (2, 3, 4)},
  **{f"basicsr:edsr_m_x{x}": _published("basicsr", EDSR, x) for x in (2, 3, 4)},
  **{
    f"basicsr:msrresnet_x{x}": _published("basicsr", MSRResNet, x)
    for x in (2, 3, 4)
  },
}
