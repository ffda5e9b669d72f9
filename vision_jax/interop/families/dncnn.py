"""DnCNN: the names of its authors' files, of PyTorch's copies and of Keras'."""

import functools

from vision_jax.data.transforms.preprocess import as_stored
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rule,
  Rules,
  Shapes,
  conv,
  norm,
  unused,
)
from vision_jax.models.restoration.dncnn import DnCNN

KERAS_EPSILON = 1e-4


def kair(shapes: Shapes) -> Rules:
  """Positions in a sequence of convolutions and ReLUs."""
  return [
    rule
    for i in _convs(shapes)
    for rule in conv(rf"model\.{2 * i - 2}", f"conv{i}")
  ]


def saoyan(shapes: Shapes) -> Rules:
  """Positions in a sequence of convolutions, BatchNorms and ReLUs."""
  depth = len(_convs(shapes))
  rules = [*conv(r"dncnn\.0", "conv1")]
  for i in range(2, depth):
    rules += conv(rf"dncnn\.{3 * i - 4}", f"conv{i}")
    rules += norm(rf"dncnn\.{3 * i - 3}", f"bn{i}")
  return [*rules, *conv(rf"dncnn\.{3 * depth - 4}", f"conv{depth}")]


def keras(shapes: Shapes) -> Rules:
  """Layers that are numbered with their activations: conv1, conv3, bn4, ..."""
  depth = len(_convs(shapes))
  rules = _keras_conv(1, 1)
  for i in range(2, depth):
    rules += _keras_conv(3 * i - 3, i)
    rules += _keras_norm(3 * i - 2, i)
  return rules + _keras_conv(3 * depth - 3, depth)


def matconvnet(shapes: Shapes) -> Rules:
  """The cells of `net.layers`, numbered from 0: a kernel and a bias each.

  Their axes are ours, without last ones of 1, which MATLAB drops.
  """
  rules = []
  for i in _convs(shapes):
    weights = rf"net/layers/{2 * i - 2}/weights"
    rules.append(Rule(rf"{weights}/0", (f"params/conv{i}/kernel",)))
    rules.append(Rule(rf"{weights}/1", (f"params/conv{i}/bias",)))
  return [*rules, *unused(r"(?!net/layers/\d+/weights).*")]


def _convs(shapes: Shapes) -> range:
  """The numbers of the convolutions."""
  number = sum(path.endswith("/kernel") for path in shapes)
  return range(1, number + 1)


def _keras_conv(theirs: int, ours: int) -> list[Rule]:
  name = rf"(?:conv{theirs}/)+"
  return [
    Rule(rf"{name}kernel(?::0)?", (f"params/conv{ours}/kernel",)),
    Rule(rf"{name}bias(?::0)?", (f"params/conv{ours}/bias",)),
  ]


def _keras_norm(theirs: int, ours: int) -> list[Rule]:
  leaves = {
    "gamma": "params/bn{}/scale",
    "beta": "params/bn{}/bias",
    "moving_mean": "batch_stats/bn{}/mean",
    "moving_variance": "batch_stats/bn{}/var",
  }
  return [
    Rule(rf"(?:bn{theirs}/)+{name}(?::0)?", (path.format(ours),))
    for name, path in leaves.items()
  ]


LAYOUTS = {
  "kair": kair,
  "saoyan": saoyan,
  "keras": keras,
  "matconvnet": matconvnet,
}


def _published(layout: str, **fields) -> Published:
  make = functools.partial(DnCNN, **fields)
  seen = as_stored(fields.get("channels", 1))
  return Published(make, layout, seen, task="restoration")


_merged = functools.partial(_published, norm=False, bias="all")
PUBLISHED = {
  **{f"kair:dncnn_{level}": _merged("kair") for level in (15, 25, 50)},
  "kair:dncnn_gray_blind": _merged("kair", depth=20),
  "kair:dncnn_color_blind": _merged("kair", depth=20, channels=3),
  "kair:dncnn3": _merged("kair", depth=20),
  **{f"saoyan:dncnn_s_{x}": _published("saoyan") for x in (15, 25, 50)},
  "keras:dncnn_25": _published("keras", bias="first", epsilon=KERAS_EPSILON),
  **{f"matconvnet:dncnn_{x}": _merged("matconvnet") for x in (15, 25, 50)},
}
