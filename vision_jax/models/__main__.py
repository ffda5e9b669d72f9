"""Lists models, or the layers of one.

python -m vision_jax.models [--filter=REGEX]
python -m vision_jax.models --layers=MODEL, or a config's path[:VARIANT]
"""

import argparse
import re
import sys
from collections.abc import Sequence

import jax

from vision_jax.errors import UserError
from vision_jax.models import count, layer_table, listing
from vision_jax.models.layers import layers
from vision_jax.recipe import recipe

_NOTE = (
  "Forward pass of one image: products of matrices and convolutions, "
  "1 multiply-add (MAC) = 2 FLOPs."
)
_OVERRIDE = "--config."


def main(args: Sequence[str] | None = None) -> int:
  """Prints a table of models or layers; returns the exit status."""
  parser = argparse.ArgumentParser(
    prog="python -m vision_jax.models",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument("--filter", default="", help="regex that names contain")
  parser.add_argument(
    "--image_size", type=int, help="side in pixels, in place of each model's"
  )
  parser.add_argument(
    "--layers",
    metavar="MODEL",
    help="the layers of a model of the list, or of the nets that a config "
    "builds, whose values --config.KEY=VALUE changes",
  )
  flags, rest = parser.parse_known_args(args)
  if bad := [x for x in rest if not (flags.layers and x.startswith(_OVERRIDE))]:
    parser.error(f"unrecognized arguments: {' '.join(bad)}")
  try:
    if flags.layers:
      print(layers_of(flags.layers, flags.image_size, rest))
    else:
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


def layers_of(
  name: str, image_size: int | None = None, overrides: Sequence[str] = ()
) -> str:
  """Returns the layers of a listed model, or of a config's nets, as a table.

  Args:
    name: a name in the list, or a config's "PATH" or "PATH:VARIANT"; its data
      are asked for the shapes of a batch.
    image_size: side in pixels, of a model of the list.
    overrides: "--config.KEY=VALUE", of a config.

  Raises:
    UserError: if there is no such model or config, or it does not take these.
  """
  if name in listing.MODELS:
    if overrides:
      raise UserError(f"{overrides[0]}: {name} is a model, and no config.")
    entry = listing.MODELS[name]
    shape = entry.shape(image_size=image_size)
    init, args = count.initialisation(entry.make(), shape)
  elif name.split(":")[0].endswith(".py"):
    if image_size:
      raise UserError(
        "--image_size: is for models of the list; the images of a config are "
        "as large as its values say, see --mode=show."
      )
    init, args = _initial_state(name, overrides)
  else:
    raise UserError(
      f"--layers: got {name!r}; expected a config's path, or one of "
      f"{', '.join(listing.MODELS)}."
    )
  return "\n".join([*layer_table.lines(layers(init, *args)), _NOTE])


def _initial_state(name, overrides):
  """Returns what initialises a config's nets on one example, and its key."""
  words = (word.removeprefix(_OVERRIDE).partition("=") for word in overrides)
  values = {key: value for key, _, value in words}
  experiment = recipe.load(name, values).build()
  batch = {
    key: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    for key, x in experiment.train_data.batch(0).items()
  }
  key = jax.eval_shape(lambda: jax.random.key(0))
  return (lambda key: experiment.initial_state(key, batch)), (key,)


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


def _line(name: str, image: str, *numbers: str) -> str:
  return f"{name:<13}{image:>12}" + "".join(f"{text:>14}" for text in numbers)


if __name__ == "__main__":
  sys.exit(main())
