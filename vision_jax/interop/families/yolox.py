"""YOLOX: the names and weights of its authors."""

import functools

import numpy as np

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.coco_names import COCO_USED
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  OIHW,
  Rules,
  Shapes,
  conv,
  conv_norm,
  leaf,
  norm,
)
from vision_jax.models.detection import yolox

_FOLDED = [0, 2, 1, 3]  # their squares go down first, ours to the right
_NECK = {
  "lateral_conv0": "lateral_c5",
  "reduce_conv1": "lateral_c4",
  "bu_conv2": "down_c3",
  "bu_conv1": "down_c4",
}
_JOINED = {
  "C3_p4": "up_c4",
  "C3_p3": "up_c3",
  "C3_n3": "out_c4",
  "C3_n4": "out_c5",
}


def authors(shapes: Shapes) -> Rules:
  """The names of Megvii-BaseDetection/YOLOX; its images are blue first."""
  del shapes
  body, ours = r"backbone\.backbone", "backbone"
  rules = [
    *leaf(
      rf"{body}\.stem\.conv\.conv\.weight",
      f"{ours}/stem/conv/kernel",
      axes=OIHW,
      change=_unfolded,
    ),
    *norm(rf"{body}\.stem\.conv\.bn", f"{ours}/stem/bn"),
    *_layer(rf"{body}\.dark(\d)\.0", f"{ours}/conv{{1}}"),
    *_layer(rf"{body}\.dark5\.1\.conv(\d)", f"{ours}/pool5_conv{{1}}"),
    *_csp(rf"{body}\.dark5\.2", f"{ours}/csp5"),
  ]
  for stage in (2, 3, 4):
    rules += _csp(rf"{body}\.dark{stage}\.1", f"{ours}/csp{stage}")
  for theirs, own in _NECK.items():
    rules += _layer(rf"backbone\.{theirs}", f"pafpn/{own}")
  for theirs, own in _JOINED.items():
    rules += _csp(rf"backbone\.{theirs}", f"pafpn/{own}")
  return rules + _heads()


def _heads() -> list:
  """Those of three levels, c3 to c5."""
  rules = _layer(r"head\.stems\.(\d)", "head_c{1+3}/stem")
  for theirs, own in (("cls", "class"), ("reg", "box")):
    name = rf"head\.{theirs}_convs\.(\d)\.(\d)"
    rules += _layer(name, f"head_c{{1+3}}/{own}_conv{{2+1}}")
  last = {"cls": "class", "reg": "box", "obj": "objectness"}
  for theirs, own in last.items():
    rules += conv(rf"head\.{theirs}_preds\.(\d)", f"head_c{{1+3}}/{own}_head")
  return rules


def _layer(theirs: str, ours: str) -> list:
  """A convolution with its norm, or a depthwise one and one of 1x1."""
  rules = conv_norm(rf"{theirs}\.conv", rf"{theirs}\.bn", ours)
  for part, own in (("dconv", "depthwise"), ("pconv", "pointwise")):
    names = rf"{theirs}\.{part}\.conv", rf"{theirs}\.{part}\.bn"
    rules += conv_norm(*names, f"{ours}/{own}")
  return rules


def _csp(theirs: str, ours: str) -> list:
  inner = rf"{theirs}\.m\.(\d+)\.conv(\d)"
  return [
    *_layer(rf"{theirs}\.conv(\d)", f"{ours}/conv{{1}}"),
    *_layer(inner, f"{ours}/block{{1+1}}_conv{{2}}"),
  ]


def _unfolded(x: np.ndarray) -> np.ndarray:
  """The stem's kernel (d, 4 c, h, w), of squares in our order, red first."""
  parts = x.reshape(len(x), 4, -1, *x.shape[2:])
  return parts[:, _FOLDED, ::-1].reshape(x.shape)


def _published(name: str, side: int) -> Published:
  return Published(
    functools.partial(yolox.variant, name=name, num_classes=len(COCO_USED)),
    "authors",
    Preprocess((side, side), 0, mean=(0.0,) * 3, std=(1.0,) * 3, largest=255.0),
    task="detection",
    class_names=COCO_USED,
    differs=(
      "published is a canvas that is grey (114) where the image is not, here "
      "black, and a resizing without antialiasing"
    ),
  )


LAYOUTS = {"authors": authors}
PUBLISHED = {
  f"megvii:yolox_{name}": _published(name, 640 if name in "smlx" else 416)
  for name in ("nano", "tiny", "s", "m", "l", "x")
}
