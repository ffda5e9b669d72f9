"""A folder as Hugging Face's hub has them, with a model card.

config.json (model_type "vision_jax", id2label), model.safetensors (our names),
preprocessor_config.json (as far as transformers has such steps) and README.md,
whose head has licence and metrics as the hub reads them.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

from vision_jax.export import safetensors
from vision_jax.export.card import card
from vision_jax.export.net import Net, Run
from vision_jax.export.options import UNKNOWN, How
from vision_jax.files import replace_text, to_json

NEEDS_IMAGES = True
RESAMPLE = {"bilinear": 2, "bicubic": 3, "fast": 4}  # Pillow's; 4 is its box


def write(net: Net, folder: pathlib.Path, how: How) -> None:
  """Writes the four files; says where a licence is missing."""
  safetensors.write(net, folder, how)
  for name, content in (
    ("config.json", config(net.about)),
    ("preprocessor_config.json", preprocessor(net.about)),
  ):
    replace_text(folder / name, to_json(content, indent=2) + "\n")
  replace_text(folder / "README.md", card(net.about, how))
  if how.license == UNKNOWN:
    how.log(
      "The model card says that the licence is unknown: give it with "
      "--license=apache-2.0, or what it is."
    )


def read(net: Net, folder: pathlib.Path, how: How) -> Run:
  """Returns the net with the weights of the folder."""
  return safetensors.read(net, folder, how)


def config(about: Mapping[str, Any]) -> dict[str, Any]:
  """Returns config.json's content."""
  image, classes = about["inputs"]["image"]["shape"], about["classes"]
  return {
    "model_type": "vision_jax",
    "architectures": [about["model"]],
    "image_size": image[1:3],
    "num_channels": image[3],
    "id2label": {str(i): name for i, name in enumerate(classes)},
    "label2id": {name: i for i, name in enumerate(classes)},
    "vision_jax": {k: x for k, x in about.items() if k != "classes"},
  }


def preprocessor(about: Mapping[str, Any]) -> dict[str, Any]:
  """Returns preprocessor_config.json's content.

  What transformers has no step for is in config.json alone, and `do_resize` is
  then false.
  """
  given = about["preprocessing"]
  image = about["inputs"]["image"]
  steps = [x for x in given["transforms"] if x["name"] not in _NO_PIXELS]
  content = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": False,
    "do_rescale": image["dtype"] != "float32",
    "rescale_factor": 1 / (65535 if image["dtype"] == "uint16" else 255),
    "do_normalize": "mean" in given,
  }
  if "mean" in given:
    content |= {"image_mean": given["mean"], "image_std": given["std"]}
  made = [_FITS[x["name"]](x) for x in steps if x["name"] in _FITS]
  return content | (made[0] if len(steps) == len(made) == 1 else {})


def _resized(step: Mapping[str, Any]) -> dict[str, Any]:
  size = step["size"]
  pair = isinstance(size, list)
  own = dict(zip(("height", "width"), size, strict=True)) if pair else None
  kind = {} if pair else {"image_processor_type": "BitImageProcessor"}
  return (
    kind
    | {
      "do_resize": True,
      "size": own or {"shortest_edge": size},
      "resample": RESAMPLE[step["method"]],
    }
    | ({} if pair else {"do_center_crop": False})
  )


def _cropped(short: int, size: tuple[int, int], method: str) -> dict[str, Any]:
  crop = dict(zip(("height", "width"), size, strict=True))
  return {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": short},
    "do_center_crop": True,
    "crop_size": crop,
    "resample": RESAMPLE[method],
  }


def _published(step: Mapping[str, Any]) -> dict[str, Any]:
  size, method = step["size"], step["interpolation"]
  if step["resize"]:
    cropped = _cropped(step["resize"], size, method)
    squeezed = dict.fromkeys(("height", "width"), step["resize"])
    if step.get("middle") == "squeezed":
      cropped["size"] = squeezed
    return cropped
  return _resized({"size": size, "method": method})


_NO_PIXELS = ("decode", "record_size")
_FITS = {
  "resize": _resized,
  "resize_centre_crop": lambda x: _cropped(
    x["short"], (x["size"], x["size"]), x["method"]
  ),
  "preprocess": _published,
}
