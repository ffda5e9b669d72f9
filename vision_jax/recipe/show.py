"""A recipe's values, and the file or flag that gave each."""

from collections.abc import Mapping
from typing import Any

from vision_jax.experiment import base_config
from vision_jax.recipe import config_file, variants
from vision_jax.recipe.recipe import Recipe
from vision_jax.recipe.values import flat, override

DEFAULTS = "vision_jax/experiment.py"


def show(
  recipe: Recipe, overrides: Mapping[str, str], workdir: str | None = None
) -> str:
  """Returns a line a value, `key = value  # origin`, sorted by key.

  Args:
    recipe: with its variant and overrides applied.
    overrides: those of the command line.
    workdir: the run whose values these are; None for a config file's own.
  """
  given = origins(recipe, overrides, workdir)
  values = flat(recipe.config.to_dict())
  left = {key: f"{key} = {value!r}" for key, value in values.items()}
  width = min(48, max(map(len, left.values())))
  lines = [f"{left[key]:<{width}}  # {given[key]}" for key in sorted(left)]
  return "\n".join(lines)


def origins(
  recipe: Recipe, overrides: Mapping[str, str], workdir: str | None = None
) -> dict[str, str]:
  """Returns what gave each value, by its dotted name.

  `--config.KEY`; the workdir's config.json; the config file's `resolve`, its
  variant or its `get_config`; or `base_config`, whose defaults every run has.
  """
  fresh = config_file.values(recipe.module, recipe.variant, recipe.path)
  override(fresh, {})  # its paths are absolute, as the recipe's are
  written = flat(fresh.to_dict())
  changed = variants.changes(recipe.module, recipe.variant)
  defaults = base_config(steps=0, batch_size=0).to_dict()
  del defaults["steps"], defaults["batch_size"]

  def origin(key: str, value: Any) -> str:
    if key in overrides:
      return f"--config.{key}"
    if value != written[key]:
      return f"{workdir}/config.json" if workdir else f"{recipe.path} (resolve)"
    if key in changed:
      return f"{recipe.path}:{recipe.variant}"
    same = key in defaults and defaults[key] == value
    return DEFAULTS if same else recipe.path

  return {k: origin(k, v) for k, v in flat(recipe.config.to_dict()).items()}
