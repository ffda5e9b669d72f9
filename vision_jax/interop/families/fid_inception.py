"""The Inception that FID is defined by: the names of pytorch-fid's file."""

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import OIHW, Rules, Shapes, dense, leaf, unused
from vision_jax.models.backbones.fid_inception import SIZE, FIDInception


def pytorch_fid(shapes: Shapes) -> Rules:
  """pytorch-fid's names; moments are parameters here, as they never move."""
  del shapes
  name = r"((?:Conv2d|Mixed)_\w+)"
  return [
    *_layer(name, "{1}"),
    *_layer(rf"{name}\.(\w+)", "{1}/{2}"),
    *unused(r"fc\.bias"),  # the published score has none
    *dense("fc", "fc"),
  ]


def _layer(theirs: str, ours: str) -> Rules:
  norms = {
    "weight": "scale",
    "bias": "bias",
    "running_mean": "mean",
    "running_var": "var",
  }
  rules = leaf(rf"{theirs}\.conv\.weight", f"{ours}/kernel", axes=OIHW)
  for last, name in norms.items():
    rules += leaf(rf"{theirs}\.bn\.{last}", f"{ours}/{name}")
  return [*rules, *unused(rf"{theirs}\.bn\.num_batches_tracked")]


HALF = (0.5, 0.5, 0.5)
LAYOUTS = {"pytorch_fid": pytorch_fid}
PUBLISHED = {
  "pytorch_fid:inception": Published(
    FIDInception,
    "pytorch_fid",
    Preprocess((SIZE, SIZE), 0, mean=HALF, std=HALF),
    task="features",
  )
}
