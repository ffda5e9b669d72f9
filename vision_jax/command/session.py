"""What every mode runs in: the config, the process, and how errors end."""

import logging
import sys

import jax

from vision_jax.cluster.ending import no_waiting_after_errors
from vision_jax.command.debug import failures
from vision_jax.command.options import Log, Options
from vision_jax.command.process import set_up
from vision_jax.data.reading import set_max_pixels
from vision_jax.errors import files_of
from vision_jax.paths import CONFIG_KEYS
from vision_jax.recipe.recipe import Recipe


def run(mode: Options) -> int:
  """Runs a mode; returns the exit code.

  Raises:
    UserError: for bad input, with what, got, expected and the fix.
  """
  logging.basicConfig(format="%(message)s")  # before a library has its own
  set_max_pixels(mode.max_pixels)
  with no_waiting_after_errors():
    recipe, batch = mode.load(_early_log(mode))
    if mode.starts:
      set_up(mode, recipe.config.convolutional, _early_log(mode))
    with files_of(*_places(mode, recipe)), failures(recipe.values):
      return mode.run(recipe, batch, log)


def log(text: str) -> None:
  """Prints a line for the user, once for all processes."""
  if jax.process_index() == 0:
    print(text, file=sys.stderr, flush=True)


def _places(mode: Options, recipe: Recipe) -> list[str]:
  """Returns what the user has named: the files whose errors are theirs."""
  given = [recipe.config.get(key) for key in CONFIG_KEYS]
  return [*mode.named(), *filter(None, given)]


def _early_log(mode: Options) -> Log:
  """Returns the `log` for the time before the processes are connected."""
  quiet = bool(mode.process_id)  # asking jax would start its backend too soon
  return lambda text: None if quiet else print(text, file=sys.stderr)
