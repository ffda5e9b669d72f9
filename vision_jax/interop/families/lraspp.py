"""LR-ASPP: torchvision's names and weights."""

from vision_jax.interop.families.deeplabv3 import mobilenet_body, published
from vision_jax.interop.rules import Rules, Shapes, conv, conv_norm
from vision_jax.models.segmentation import lraspp


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names; its `scale` is a convolution of one pixel."""
  return [
    *mobilenet_body(shapes),
    *conv_norm(r"classifier\.cbr\.0", r"classifier\.cbr\.1", "reduce"),
    *conv(r"classifier\.scale\.1", "scale"),
    *conv(r"classifier\.(low|high)_classifier", "{1}_head"),
  ]


LAYOUTS = {"torchvision": torchvision}
PUBLISHED = {
  "torchvision:lraspp_mobilenet_v3_large": published(
    lraspp.mobilenet_v3_large, "torchvision"
  )
}
