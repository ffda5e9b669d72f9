"""Lists models: `python -m vision_jax.models [--filter=REGEX]`."""

import argparse
import re
import sys
from collections.abc import Sequence

from vision_jax.errors import UserError
from vision_jax.models import count, listing

_NOTE = (
  "Forward pass of one image: products of matrices and convolutions, "
  "1 multiply-add (MAC) = 2 FLOPs."
)


def main(args: Sequence[str] | None = None) -> int:
  """Prints a table of the models; returns the exit status."""
  parser = argparse.ArgumentParser(
    prog="python -m vision_jax.models", description=__doc__
  )
  parser.add_argument("--filter", default="", help="regex that names contain")
  parser.add_argument(
    "--image_size", type=int, help="side in pixels, in place of each model's"
  )
  flags = parser.parse_args(args)
  try:
    print(table(flags.filter, flags.image_size))
  except (ValueError, re.error) as error:
    print(f"models: {error}", file=sys.stderr)
    return 2
  return 0


def table(pattern: str = "", image_size: int | None = None) -> str:
  """Returns the models whose name matches `pattern` as a table.

  Raises:
    UserError: if none matches, or none takes images of that size.
  """
  names = [name for name in listing.MODELS if re.search(pattern, name)]
  if not names:
    raise UserError(
      f"--filter: got {pattern!r}, which matches no model; expected part of "
      f"one of {', '.join(listing.MODELS)}."
    )
  head = _line("model", "image", "parameters", "GMACs", "GFLOPs")
  return "\n".join([head, *(_row(name, image_size) for name in names), _NOTE])


def _row(name: str, image_size: int | None) -> str:
  entry = listing.MODELS[name]
  shape = entry.shape(image_size=image_size)
  image = "x".join(map(str, shape[1:]))
  try:
    parameters, flops = count.forward_cost(entry.make(), shape)
  except ValueError as error:  # images of this size do not fit this model
    return f"{name:<13}{image:>12}  {error}"
  gflops = flops / 1e9
  return _line(
    name, image, f"{parameters:,}", f"{gflops / 2:.3f}", f"{gflops:.3f}"
  )


def _line(name: str, image: str, *figures: str) -> str:
  return f"{name:<13}{image:>12}" + "".join(f"{text:>14}" for text in figures)


if __name__ == "__main__":
  sys.exit(main())
