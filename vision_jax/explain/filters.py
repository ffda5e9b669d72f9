"""A convolution's filters as one image, those of the first by default."""

from collections.abc import Sequence

import numpy as np

from vision_jax.core.types import Nets
from vision_jax.errors import UserError
from vision_jax.explain.net import Choice, Net
from vision_jax.layers.calls import Call, named
from vision_jax.viz.grid import grid

SEEN = (1, 3)  # channels that a filter can be shown by
MOST = 256  # filters that are shown


def filters(
  net: Net, params: Nets, choice: Choice, bands: Sequence[int] = ()
) -> tuple[np.ndarray, str]:
  """Returns a grid of filters (h, w, 3) uint8, and the layer's name.

  Each is stretched by itself from its least value, black, to its largest.

  Args:
    net: whose filters.
    params: of its task.
    choice: names the layer.
    bands: channels of the image that are shown, of one with others than 1 or
      3; () for the first, or the first three.

  Raises:
    UserError: if the layer is no convolution, or its filters see maps.
  """
  call = _layer(net, choice.layer)
  kernel = params[net.task.net.name]
  for name in (*call.path.split("/"), "kernel"):
    kernel = kernel[name]
  kernel = np.asarray(kernel, np.float32)
  if kernel.shape[2] not in SEEN:
    first = call is _layer(net, "")
    kernel = kernel[:, :, _shown(call, kernel.shape[2], bands, first)]
  images = [_stretched(x) for x in np.moveaxis(kernel, -1, 0)[:MOST]]
  return grid(images, gap=1), call.path


def _layer(net: Net, layer: str) -> Call:
  found = [
    call
    for call in net.calls
    if call.kernel is not None and call.kernel.ndim == 4
  ]
  call = named(net.calls, layer) if layer else (found or [None])[0]
  if call not in found:
    got = f"--layer: {layer!r}" if layer else f"--method=filters: {net.name}"
    raise UserError(
      f"{got} has no convolution's kernel; expected one of "
      f"{', '.join(x.path for x in found) or 'a net with convolutions'}."
    )
  return call


def _shown(
  call: Call, channels: int, bands: Sequence[int], first: bool
) -> list[int]:
  if not first:
    raise UserError(
      f"--layer: the filters of {call.path!r} see {channels} channels; "
      "expected 1 or 3, which can be shown. --method=features shows what they "
      "make of an image."
    )
  if bands and max(bands) < channels:
    return [*bands]
  return [0, 1, 2] if channels > 3 else [0]


def _stretched(image: np.ndarray) -> np.ndarray:
  low, high = image.min(), image.max()
  return (image - low) / (high - low if high > low else 1)
