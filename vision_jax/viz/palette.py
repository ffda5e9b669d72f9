"""Colours of classes."""

import colorsys

import numpy as np

from vision_jax.errors import UserError

_GOLDEN = 0.618033988749895


def palette(number: int) -> np.ndarray:
  """Returns a colour for each of `number` classes, (k, 3) uint8 RGB.

  Neighbouring classes differ: hues step by the golden ratio, brightness in
  turns. A class keeps its colour whatever `number` is.
  """
  if number < 0:
    raise UserError(f"palette: got {number} classes; expected >= 0.")
  # The turns' lengths were chosen for the largest gap among 11 and 21 colours.
  colours = [
    colorsys.hsv_to_rgb(
      (0.02 + i * _GOLDEN) % 1.0, (0.85, 0.5)[i // 7 % 2], (0.95, 0.7)[i % 2]
    )
    for i in range(number)
  ]
  return np.round(np.reshape(colours, (-1, 3)) * 255).astype(np.uint8)


def colour_names(names, colours: np.ndarray | None = None) -> dict:
  """Returns name -> (r, g, b), by `palette` where no colours are given."""
  colours = palette(len(names)) if colours is None else np.asarray(colours)
  if len(colours) != len(names):
    raise UserError(
      f"colours: got {len(colours)} for {len(names)} names; expected as many."
    )
  return {
    name: tuple(int(c) for c in colour)
    for name, colour in zip(names, colours, strict=True)
  }


def readable_on(colour) -> tuple[int, int, int]:
  """Returns black or white, whichever is easier to read on an RGB colour."""
  r, g, b = (float(c) for c in colour)
  light = 0.299 * r + 0.587 * g + 0.114 * b > 140
  return (0, 0, 0) if light else (255, 255, 255)
