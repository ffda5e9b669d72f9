"""A run that goes on: with the recipe of its workdir, and no other."""

from collections.abc import Callable, Mapping

from etils import epath

from vision_jax.errors import UserError
from vision_jax.paths import CONFIG_KEYS
from vision_jax.recipe import automatic, config_file, places, versions
from vision_jax.recipe.recipe import Recipe, load, load_workdir
from vision_jax.recipe.saved import (
  Saved,
  Shapes,
  changed_values,
  kept_source,
  log_changed,
  saved_config,
)
from vision_jax.recipe.values import flat, override

# Values that may differ between the runs of one workdir: how long, how often,
# where from, how it is looked at. All others define the result.
MAY_CHANGE = (
  *CONFIG_KEYS,
  *("epochs", "eval_every", "keep_best", "keep_every", "log_every"),
  *("on_bad_image", "save_every", "show_bands", "steps", "tests", "threads"),
  *("prompts", "words"),  # what a net that reads is asked
  # How a segmenter is looked at, and measured.
  *("boundary_pixels", "tta_flip", "tta_scales", "trimap_pixels"),
  # How samples are drawn that are measured.
  *("guidance", "other_steps", "sampler", "sampling_steps", "solver"),
  "spacing",
  "noise",  # of the images that a net of restoration is measured on, and given
  "style_alpha",  # of images that are redrawn
)


def begin_or_resume(
  workdir: epath.PathLike | None,
  name: str | None,
  overrides: Mapping[str, str],
  log: Callable[[str], None],
  *,
  trusted: bool = False,
) -> Recipe:
  """Returns the recipe that a run begins with, or that it goes on with.

  Args:
    workdir: the run's folder; None where there is none to be.
    name: "PATH:VARIANT"; None for the workdir's.
    overrides: values to change, as text, by key.
    log: prints a line for the user.
    trusted: whether the workdir's code may run, see `resume`.

  Raises:
    UserError: as `resume` does; if neither names a config.
  """
  if name and (note := places.passed_over(name)):
    log(note)
  folder = epath.Path(workdir or "")
  if workdir and saved_config(folder) is not None:
    return resume(folder, name, overrides, log, trusted=trusted)
  if name is None:
    raise UserError(
      f"--config is missing, and {folder} holds no run to go on with; expected "
      "--config=PATH, for example configs/classification/digits_cnn.py."
    )
  recipe = load(automatic.to_begin(name, log), overrides)
  shorten_warmup(recipe, overrides, log)
  return recipe


def shorten_warmup(
  recipe: Recipe, overrides: Mapping[str, str], log: Callable[[str], None]
) -> None:
  """Makes a warm-up at most a tenth of a run that is shorter than the config's.

  Not where the command gives its length. A run that goes on keeps its own.
  """
  if "warmup" not in recipe.config or "warmup" in overrides:
    return
  config = recipe.config
  written = config_file.values(recipe.module, recipe.variant, recipe.path).steps
  if config.steps < written and (old := config.warmup) > config.steps // 10:
    config.warmup = config.steps // 10
    log(
      f"warmup: {old} steps are shortened to {config.warmup}, a tenth of "
      f"steps={config.steps}; --config.warmup={old} keeps them."
    )


def use(
  workdir: epath.PathLike,
  overrides: Mapping[str, str],
  log: Callable[[str], None],
  *,
  trusted: bool = False,
) -> tuple[Recipe, Shapes]:
  """Returns a workdir's recipe and the shapes of its training batch.

  With overrides of what may differ between the runs of a workdir.
  """
  folder = epath.Path(workdir)
  recipe, batch = load_workdir(folder, log, trusted=trusted)
  override_saved(recipe, overrides, folder)
  return recipe, batch


def resume(
  workdir: epath.Path,
  name: str | None,
  overrides: Mapping[str, str],
  log: Callable[[str], None],
  *,
  trusted: bool = False,
) -> Recipe:
  """Returns the recipe that a run goes on with.

  That of the workdir's copy where the config file has changed.

  Args:
    workdir: the run's folder.
    name: "PATH:VARIANT" that the command names; None for the workdir's.
    overrides: values to change, as text, by key.
    log: prints a line for the user.
    trusted: whether the copy runs whoever has written it.

  Raises:
    UserError: if the run is of another config, or of an earlier version.
  """
  saved = saved_config(workdir)
  versions.check(workdir, saved)
  if name is None:
    return use(workdir, overrides, log, trusted=trusted)[0]
  name, source = automatic.to_resume(name, saved), None
  if same_file(name, saved):
    trusted = trusted or is_copy(name, workdir)
    source = kept_source(workdir, saved, trusted=trusted)
    log_changed(workdir, saved, source, log)
  if "warmup" in saved["values"]:  # it may have been shortened
    overrides = {"warmup": str(saved["values"]["warmup"]), **overrides}
  recipe = load(name, overrides, source, kept=saved["values"])
  check_same(recipe, saved)
  return recipe


def override_saved(
  recipe: Recipe, overrides: Mapping[str, str], workdir: epath.Path
) -> None:
  """Sets values of a workdir's config, those that may differ between runs.

  Raises:
    UserError: for others, and for what only a config's `resolve` can use.
  """
  if "epochs" in overrides:
    raise UserError(
      f"--config.epochs: got {overrides['epochs']} for the run in {workdir}, "
      "whose steps are counted already; expected --config.steps=N, or "
      "--config=PATH with it, by which they are counted anew."
    )
  override(recipe.config, overrides)
  check_same(recipe, saved_config(workdir))


def same_file(name: str, saved: Saved) -> bool:
  """Whether "PATH:VARIANT" names the config file that a workdir has saved."""
  path, variant = places.split(name)
  return places.same(path, saved["path"]) and variant == saved["variant"]


def is_copy(name: str, workdir: epath.Path) -> bool:
  """Whether a workdir's copy has the text of the file in "PATH:VARIANT"."""
  path = places.look(places.split(name)[0])
  copy = workdir / "config.py"
  there = path is not None and copy.exists()
  return there and path.read_bytes() == copy.read_bytes()


def check_same(recipe: Recipe, saved: Saved) -> None:
  """Checks that a command continues the run that a workdir holds.

  Raises:
    UserError: naming the keys that differ and may not.
  """
  differ = [
    f"{key}: {old!r:.200} in the workdir, {new!r:.200} now"
    for key, (old, new) in changed_values(recipe.config, saved).items()
    if key not in MAY_CHANGE
  ]
  now = flat(recipe.config.to_dict())
  differ += [f"{key}: gone" for key in flat(saved["values"]) if key not in now]
  if recipe.sha256 != saved["sha256"]:
    differ.insert(0, f"file: {saved['path']} in the workdir, {recipe.path} now")
  if differ:
    raise UserError(
      "--workdir holds a run of another config, which differs in "
      + "; ".join(differ)
      + ". Use another workdir, or the same values (only "
      + ", ".join(MAY_CHANGE)
      + " may change)."
    )
