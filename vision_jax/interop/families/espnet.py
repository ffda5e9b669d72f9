"""ESPNet: the names and the CamVid weights of its authors."""

import dataclasses
import functools

import numpy as np

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  IOHW,
  Rules,
  Shapes,
  conv,
  leaf,
  norm,
)
from vision_jax.models.segmentation.espnet import ESPNet

CAMVID = (
  *("sky", "building", "pole", "road", "pavement", "tree"),
  *("sign", "fence", "car", "pedestrian", "bicyclist", "void"),
)
# Of grey levels: means over the training images of each image's own mean and
# deviation, by our copy. The authors divide by 255 after that.
MEAN = (104.9907, 108.3623, 110.2568)
STD = (69.8532, 72.6522, 72.0640)


def authors(shapes: Shapes) -> Rules:
  """The names of the repository of the paper's authors.

  Their images are blue, green, red. The image is the last part of all that is
  joined with it, so that what meets its channels is turned.
  """
  del shapes
  level, head = r"encoder\.level(\d)_0", "combine"
  return [
    *_turned(conv(r"encoder\.level1\.conv", "level1")),
    *_norm_act(r"encoder\.level1", "level1_norm"),
    *_turned(_norm_act(r"encoder\.b([12])", "b{1}")),
    *_norm_act(r"encoder\.b3", "b3"),
    *_turned(conv(rf"{level}\.c1\.conv", "level{1}_0/reduce")),
    *_pyramid(level, "level{1}_0", 2),
    *_norm_act(level, "level{1}_0/norm"),
    *_pyramid(r"encoder\.level(\d)\.(\d+)", "level{1}_{2+1}", 3),
    *_norm_act(r"encoder\.level(\d)\.(\d+)\.bn", "level{1}_{2+1}/norm"),
    *conv(r"encoder\.classifier\.conv", "score3"),
    *norm("br", "score3_norm/bn"),
    *conv(r"up_l3\.0", "up3", axes=IOHW),
    *_turned(conv(r"level3_C\.conv", "score2")),
    *_norm_act(r"combine_l2_l3\.0", "combine_norm"),
    *_pyramid(r"combine_l2_l3\.1", head, 1),
    *_norm_act(r"combine_l2_l3\.1\.bn", f"{head}/norm"),
    *conv(r"up_l2\.0", "up2", axes=IOHW),
    *_norm_act(r"up_l2\.1", "up2_norm"),
    *_turned(conv(r"conv\.conv", "score1")),
    *_norm_act("conv", "score1_norm"),
    *conv("classifier", "up1", axes=IOHW),
  ]


def _norm_act(theirs: str, ours: str) -> Rules:
  slope = leaf(rf"{theirs}\.act\.weight", f"{ours}/act/slope")
  return [*norm(rf"{theirs}\.bn", f"{ours}/bn"), *slope]


def _pyramid(theirs: str, ours: str, group: int) -> Rules:
  """An ESP block's convolutions; `group` is the first of its own numbers."""
  return [
    *conv(rf"{theirs}\.c1\.conv", f"{ours}/reduce"),
    *conv(rf"{theirs}\.d(\d+)\.conv", f"{ours}/d{{{group}}}"),
  ]


def _turned(rules: Rules) -> Rules:
  """The same rules of what meets the image's channels, red first."""
  return [
    dataclasses.replace(rule, change=_red_first if rule.ours else None)
    for rule in rules
  ]


def _red_first(x: np.ndarray) -> np.ndarray:
  """Turns the last three of a kernel's inputs (o, i, h, w), or of (c,)."""
  axis = min(1, x.ndim - 1)
  *rest, channels = np.split(x, [x.shape[axis] - 3], axis)
  return np.concatenate([*rest, np.flip(channels, axis)], axis)


LAYOUTS = {"espnet": authors}
PUBLISHED = {
  "espnet:camvid": Published(
    functools.partial(ESPNet, num_classes=12),
    "espnet",
    Preprocess(
      size=(360, 480),
      resize=0,
      mean=tuple(x / 255 for x in MEAN),
      std=STD,
    ),
    task="segmentation",
    class_names=CAMVID,
  ),
}
