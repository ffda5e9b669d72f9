"""Config files: found, loaded, overridden, kept in a workdir.

A config file has `get_config() -> ConfigDict`, values only, and
`build(config) -> Experiment`, objects from plain calls. It may have
`resolve(config)`, which fills in what the data say (class names) when a run
begins, and VARIANTS, name -> what it changes (`variants`).
"""

import dataclasses
import json
import types
from collections.abc import Callable, Mapping

import ml_collections
import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.files import replace_text
from vision_jax.recipe import (
  automatic,
  config_file,
  places,
  sources,
  trust,
  versions,
)
from vision_jax.recipe.saved import (
  Saved,
  Shapes,
  batch_shapes,
  changed_values,
  kept_source,
  log_changed,
  raise_damaged,
  saved_config,
)
from vision_jax.recipe.values import check, flat, keep_measured, override


@dataclasses.dataclass(frozen=True)
class Recipe:
  """A config file with a variant and overrides applied."""

  path: str
  variant: str
  source: str
  config: ml_collections.ConfigDict
  module: types.ModuleType

  @property
  def sha256(self) -> str:
    """Hash of the file's text."""
    return config_file.sha256(self.source)

  def build(self) -> Experiment:
    """Builds the experiment."""
    return config_file.build(self.module, self.config, self.path)

  @property
  def values(self) -> dict[str, object]:
    """The config's values."""
    return self.config.to_dict()

  @property
  def smaller(self) -> str:
    """What to take of the file where this is too much for a CPU, or ""."""
    return automatic.smaller(self.path, self.variant, self.module)

  @property
  def sources(self) -> dict[str, str]:
    """Hashes of the file and of each file of ours that it imports, by name."""
    return sources.sources(self.path, self.source)

  def keep(
    self,
    workdir: epath.Path,
    batch: Mapping[str, np.ndarray],
    *,
    start: int,
    log: Callable[[str], None],
  ) -> None:
    """Writes what a workdir keeps; logs what is not as it was before.

    Args:
      workdir: the run's folder.
      batch: one training batch.
      start: the step that the run begins from.
      log: prints a line for the user.
    """
    saved = saved_config(workdir)
    new = changed_values(self.config, saved) if saved else {}
    if start and "steps" in new:
      log(
        "steps: {} in the workdir, {} now. ".format(*new["steps"])
        + "A schedule that ends with the run is another one from step "
        f"{start} on, and the learning rate jumps there; config.json keeps "
        "both under `changes`."
      )
    for name, text in self.files(batch, saved, start).items():
      replace_text(workdir / name, text)
    trust.remember(self.source)

  def files(
    self,
    batch: Mapping[str, np.ndarray],
    before: Saved | None = None,
    step: int = 0,
  ) -> dict[str, str]:
    """Returns what a workdir keeps: a copy of the file, and config.json.

    Args:
      batch: one training batch, whose shapes let the workdir be used where its
        training data is not.
      before: the config.json of the run that goes on; `changes` keeps which
        values had been others, each with the step from which it is new.
      step: the step that the run goes on from.
    """
    changes = list(before.get("changes", ())) if before else []
    if before and (new := changed_values(self.config, before)):
      changes.append({"step": step} | {k: list(v) for k, v in new.items()})
    content = Saved(
      format=versions.FORMAT,
      path=self.path,
      variant=self.variant,
      sha256=self.sha256,
      values=json.loads(self.config.to_json()),
      batch={k: [list(x.shape), str(x.dtype)] for k, x in batch.items()},
      changes=changes,
    )
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    return {"config.py": self.source, "config.json": text}


def of_nothing(*, convolutional: bool = False) -> Recipe:
  """Returns the recipe of a command that trains nothing and builds nothing.

  Args:
    convolutional: whether XLA's option for convolutions is to be set on a CPU.
  """
  values = {"convolutional": convolutional, "batch_size": 1, "accumulate": 1}
  config = ml_collections.ConfigDict(values)
  return Recipe("", "", "", config, types.ModuleType("nothing"))


def load(
  name: str,
  overrides: Mapping[str, str] | None = None,
  source: str | None = None,
  *,
  resolve: bool = True,
  kept: Mapping[str, object] = types.MappingProxyType({}),
) -> Recipe:
  """Loads "PATH" or "PATH:VARIANT" and applies overrides given as text.

  `source` is a file's text to use in place of the one at PATH. Without
  `resolve` what the data say is not asked: the data need not be there. What a
  run has measured of them is in `kept`, its values by key.

  Raises:
    UserError: if the file is missing or is no config, or an override names no
      key or has another type.
  """
  path, variant = places.split(name)
  if source is None:
    source = places.read(path)
  module = config_file.load(source, str(places.look(path) or path))
  path = places.canonical(path)
  config = config_file.values(module, variant, path)
  override(config, overrides or {})
  _check_length(config, overrides or {})
  keep_measured(config, kept)
  if resolve and hasattr(module, "resolve"):
    module.resolve(config)
    override(config, {})  # what it has filled in is checked too
  return Recipe(path, variant, source, config, module)


def _check_length(
  config: ml_collections.ConfigDict, overrides: Mapping[str, str]
) -> None:
  if {"epochs", "steps"} <= {*overrides} and config.epochs:
    raise UserError(
      f"--config.epochs: got {config.epochs:g} with --config.steps="
      f"{config.steps}; expected one of them, as epochs are counted in steps."
    )


def load_workdir(
  workdir: epath.Path,
  log: Callable[[str], None] = print,
  *,
  trusted: bool = False,
) -> tuple[Recipe, Shapes]:
  """Loads a workdir's recipe and the shapes of its training batch.

  The copy of the config file is used, with a message, where the original is
  missing or has changed.

  Args:
    workdir: the run's folder.
    log: prints a line for the user.
    trusted: whether the copy runs whoever has written it.

  Raises:
    UserError: if there is no run, its files are damaged, its copy of the
      config file is neither ours nor this user's, or of an earlier version
      that this one cannot read.
  """
  saved = saved_config(workdir)
  if saved is None:
    raise UserError(
      f"--workdir: {workdir} has no config.json; expected a folder that a "
      "training run has written. Train first, or check the path."
    )
  source = kept_source(workdir, saved, trusted=trusted)
  with versions.reading(workdir, saved) as try_out:
    module = config_file.load(source, str(workdir / "config.py"))
    config = config_file.values(module, saved["variant"], str(workdir))
    _restore(config, saved["values"], workdir)
    recipe = Recipe(saved["path"], saved["variant"], source, config, module)
    if try_out:
      recipe.build()
  log_changed(workdir, saved, source, log)
  return recipe, batch_shapes(saved["batch"], workdir)


def _restore(
  config: ml_collections.ConfigDict,
  values: Mapping[str, object],
  workdir: epath.Path,
) -> None:
  """Sets what a workdir has saved; everything else keeps its default."""
  known = flat(config.to_dict())
  try:
    if unknown := sorted(flat(values).keys() - known.keys()):
      raise KeyError(f"no value is called {unknown[0]!r}")
    for key, value in flat(values).items():
      if value is None and known[key] is not None:
        raise TypeError(f"{key} is null")
    config.update(values)
  except (KeyError, TypeError, ValueError, AttributeError) as error:
    raise_damaged(workdir, error)
  for key, value in flat(config.to_dict()).items():
    check(key, value)
