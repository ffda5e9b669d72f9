"""A recipe's values, and the file or flag that gave each."""

import types
from collections.abc import Mapping

from vision_jax.experiment import base_config
from vision_jax.recipe import config_file, variants
from vision_jax.recipe.recipe import Recipe
from vision_jax.recipe.values import Value, flat, override


def show(
  recipe: Recipe, overrides: Mapping[str, str], workdir: str | None = None
) -> str:
  """Returns a line a value, `key = value  # origin`, sorted by key.

  Args:
    recipe: the recipe, with its variant and overrides applied.
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
  variant or its `get_config`; or the file of ours whose defaults it has.
  """
  fresh = config_file.values(recipe.module, recipe.variant, recipe.path)
  override(fresh, {})  # its paths are absolute, as the recipe's are
  written = flat(fresh.to_dict())
  changed = variants.changes(recipe.module, recipe.variant)
  defaults = _defaults(recipe.module)

  def origin(key: str, value: Value) -> str:
    if key in overrides:
      return f"--config.{key}"
    if value != written[key]:
      return f"{workdir}/config.json" if workdir else f"{recipe.path} (resolve)"
    if key in changed:
      return f"{recipe.path}:{recipe.variant}"
    default, file = defaults.get(key, (None, recipe.path))
    return file if default == value else recipe.path

  return {k: origin(k, v) for k, v in flat(recipe.config.to_dict()).items()}


def _defaults(module: types.ModuleType) -> dict[str, tuple[Value, str]]:
  """Returns key -> (default, file), of `base_config` and those built on it.

  Those that a config file imports, such as `segmentation_config`.
  """
  ours = lambda x: getattr(x, "__module__", "").startswith("vision_jax.")
  makers = [
    make
    for name, make in vars(module).items()
    if name.endswith("_config") and ours(make)
  ]
  found = {}
  for make in (*makers, base_config):
    values = make(steps=0, batch_size=0)
    file = make.__module__.replace(".", "/") + ".py"
    found |= {key: (x, file) for key, x in flat(values).items()}
  return {k: v for k, v in found.items() if k not in ("steps", "batch_size")}
