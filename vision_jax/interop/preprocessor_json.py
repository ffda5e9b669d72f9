"""What a Hugging Face folder's preprocessor_config.json says of its images."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop.readers.folder import PREPROCESSOR

_RESAMPLE = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_LARGE = 384  # short sides from which ConvNeXt's images are not cut


def read(content: Mapping[str, Any], given: Preprocess) -> Preprocess:
  """Returns what a folder's images go through.

  Args:
    content: of the file.
    given: of the net's family, for what the file does not say, and for sizes of
      a detector, which sees each image at its own proportions.

  Raises:
    UserError: for a way of resizing that is not here.
  """
  found = dataclasses.replace(given, **_colours(content, given))
  if not content.get("do_resize", True) or "size" not in content:
    return found
  size, resize, middle = _geometry(content, given)
  method = content.get("resample", None)
  if method is not None and method not in _RESAMPLE:
    raise UserError(
      f"{PREPROCESSOR}: resample is {method!r}; expected 2 (bilinear) or 3 "
      "(bicubic). Write there the one that is nearest."
    )
  kind = _RESAMPLE.get(method, given.interpolation)
  return dataclasses.replace(
    found, size=size, resize=resize, interpolation=kind, middle=middle
  )


def _colours(content: Mapping[str, Any], given: Preprocess) -> dict[str, Any]:
  scale = 255 * content.get("rescale_factor", 1 / 255)
  if not content.get("do_rescale", True):
    scale = 255
  largest = given.largest if abs(scale - 1) < 1e-6 else float(scale)
  if not content.get("do_normalize", True):
    zeros = (0.0,) * len(given.mean)
    ones = (1.0,) * len(given.std)
    return {"mean": zeros, "std": ones, "largest": largest}
  return {
    "mean": _each(content.get("image_mean", given.mean), given.mean),
    "std": _each(content.get("image_std", given.std), given.std),
    "largest": largest,
  }


def _each(value: Any, given: Sequence[float]) -> tuple[float, ...]:
  """Returns a value for each channel; one alone is of all."""
  values = value if isinstance(value, list | tuple) else [value] * len(given)
  return tuple(map(float, values))


def _geometry(
  content: Mapping[str, Any], given: Preprocess
) -> tuple[tuple[int, ...], int, str]:
  """Returns a net's `size`, `resize` and `middle`, see `Preprocess`.

  An old file has a number for a size: that of the short side where images are
  cut thereafter, else of both sides.
  """
  size, crop = content["size"], content.get("crop_size", given.size)
  cut = content.get("do_center_crop", "crop_size" in content)
  if isinstance(size, Mapping) and "longest_edge" in size:
    return given.size, given.resize, given.middle
  if "crop_pct" in content:
    return *_of_share(_short(size), content["crop_pct"]), "floored"
  if cut:
    both = isinstance(size, Mapping) and "height" in size
    number = not isinstance(size, Mapping)
    squeezed = both or (number and given.middle == "squeezed")
    kind = "squeezed" if squeezed else "floored"
    return _pair(crop), _short(size), kind
  if isinstance(size, Mapping) and "shortest_edge" in size:
    return _pair(_short(size)), _short(size), "floored"
  return _pair(size), 0, given.middle


def _of_share(side: int, share: float | None) -> tuple[tuple[int, int], int]:
  """Returns ConvNeXt's: a large image is resized to a square as it is."""
  large = side >= _LARGE
  return (side, side), 0 if large else int(side / (share or 224 / 256))


def _short(size: Any) -> int:
  if isinstance(size, Mapping):
    return int(size.get("shortest_edge") or min(_pair(size)))
  return int(min(_pair(size)))


def _pair(size: Any) -> tuple[int, int]:
  if isinstance(size, Mapping):
    return int(size["height"]), int(size["width"])
  if isinstance(size, list | tuple):
    return int(size[0]), int(size[-1])
  return int(size), int(size)
