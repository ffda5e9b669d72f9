"""AlexNet: torchvision's names and weights."""

import functools

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, dense, flattened
from vision_jax.models.backbones.alexnet import SIDES, AlexNet


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names: numbers of layers, activations and pools counted."""
  numbers = enumerate((0, 3, 6, 8, 10), 1)
  return [
    *(rule for i, n in numbers for rule in conv(rf"features\.{n}", f"conv{i}")),
    *flattened(r"classifier\.1", "fc6", SIDES, shapes),
    *dense(r"classifier\.4", "fc7"),
    *dense(r"classifier\.6", "fc8"),
  ]


LAYOUTS = {"torchvision": torchvision}
PUBLISHED = {
  "torchvision:alexnet": Published(
    functools.partial(AlexNet, num_classes=1000), "torchvision", Preprocess()
  )
}
