"""Sub-pixel super-resolution: PyTorch's example, and its old ONNX file."""

import functools

from vision_jax.data.transforms.preprocess import as_stored
from vision_jax.interop.published import Published
from vision_jax.interop.rules import OIHW, Rule, Rules, Shapes, conv
from vision_jax.models.restoration.espcn import ESPCN

FIRST = 2  # number of the first initialiser in the ONNX file


def pytorch(shapes: Shapes) -> Rules:
  """The names of the example's module."""
  del shapes
  return conv(r"conv(\d)", "conv{1}")


def onnx(shapes: Shapes) -> Rules:
  """Numbers: a kernel and a bias in turn."""
  layers = sum(path.endswith("/kernel") for path in shapes)
  rules = []
  for i in range(layers):
    layer = f"params/conv{i + 1}"
    rules.append(Rule(str(FIRST + 2 * i), (f"{layer}/kernel",), OIHW))
    rules.append(Rule(str(FIRST + 2 * i + 1), (f"{layer}/bias",)))
  return rules


LAYOUTS = {"pytorch": pytorch, "onnx": onnx}
_x3 = functools.partial(ESPCN, 3)
PUBLISHED = {
  "pytorch:super_resolution": Published(
    _x3, "pytorch", as_stored(1), task="restoration"
  ),
  "onnx:super_resolution": Published(
    _x3, "onnx", as_stored(1), task="restoration"
  ),
}
