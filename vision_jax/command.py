"""What the command does once its flags are read: sets up, then one mode."""

import sys
from collections.abc import Callable, Mapping

import jax
from absl import flags
from etils import epath

from vision_jax import debug as debugging
from vision_jax.core.execution import make_execution
from vision_jax.data.reading import set_max_pixels
from vision_jax.errors import UserError, files_of
from vision_jax.files import to_json
from vision_jax.modes import Trained, evaluate, predict, sample
from vision_jax.paths import CONFIG_KEYS
from vision_jax.process import set_up
from vision_jax.recipe import recipe as recipes
from vision_jax.recipe.recipe import Recipe
from vision_jax.recipe.show import show
from vision_jax.train import runs
from vision_jax.train.loop import Outcome
from vision_jax.train.stop import no_waiting_after_errors
from vision_jax.train.trace import parse_steps


def run(values: flags.FlagValues, overrides: Mapping[str, str]) -> int:
  """Runs the mode that the flags name; returns the exit code.

  Raises:
    UserError: for bad input, with what, got, expected and the fix.
  """
  set_max_pixels(values.max_pixels)
  with no_waiting_after_errors():
    return _run(values, overrides)


def _run(values: flags.FlagValues, overrides: Mapping[str, str]) -> int:
  if values.mode == "show":
    return _show(values, overrides)
  workdir = epath.Path(values.workdir)
  debug = debugging.parse(values.debug)
  if values.mode == "train":
    recipe = _recipe(values, overrides, workdir)
    set_up(values, recipe.config.convolutional, _teller(values))
    debugging.switch(debug, values.execution)
    with files_of(*_places(values, recipe)), debugging.failures(recipe.config):
      if debug.step is None:
        return _train(values, recipe, workdir)
      debugging.look_into(debug.step, values, recipe, workdir, _say)
      return 0
  recipe, batch = recipes.load_workdir(
    workdir, _teller(values), trusted=values.trust_workdir
  )
  _override(recipe, overrides, workdir)
  set_up(values, recipe.config.convolutional, _teller(values))
  mode = {"eval": evaluate, "predict": predict, "sample": sample}[values.mode]
  with files_of(*_places(values, recipe)), debugging.failures(recipe.config):
    mode(Trained(values, recipe, workdir, batch, _say))
  return 0


def _show(values: flags.FlagValues, overrides: Mapping[str, str]) -> int:
  """Prints the values that training would have, and what gave each."""
  if values.workdir:
    recipe = _recipe(values, overrides, epath.Path(values.workdir))
  else:
    recipe = recipes.load(values.config, overrides)
  print(show(recipe, overrides, values.workdir))
  return 0


def _places(values: flags.FlagValues, recipe: Recipe) -> list[str]:
  """Returns what the user has named: files of theirs, whose errors we tell."""
  named = [values.workdir, values.output, values.images, values.init_from]
  named += [recipe.config.get(key) for key in CONFIG_KEYS]
  return [place for place in named if place]


def _say(text: str) -> None:
  """Tells the user one line, once for all processes."""
  if jax.process_index() == 0:
    print(text, file=sys.stderr, flush=True)


def _teller(values: flags.FlagValues) -> Callable[[str], None]:
  """Returns what tells a line before the processes are connected."""
  quiet = bool(values.process_id)  # asking jax would start its backend too soon
  return lambda text: None if quiet else print(text, file=sys.stderr)


def _recipe(
  values: flags.FlagValues, overrides: Mapping[str, str], workdir: epath.Path
) -> Recipe:
  """Loads the config named, or the workdir's; checks that they agree.

  The same command goes on with the workdir's copy where the file has changed.
  """
  saved = recipes.saved_config(workdir)
  if saved is None:
    if values.config is None:
      raise UserError(
        f"--config is missing, and {workdir} holds no run to go on with; "
        "expected --config=PATH, for example "
        "configs/classification/digits_cnn.py."
      )
    return recipes.load(values.config, overrides)
  if values.config is None:
    recipe, _ = recipes.load_workdir(
      workdir, _teller(values), trusted=values.trust_workdir
    )
    _override(recipe, overrides, workdir)
    return recipe
  source = None
  if recipes.same_file(values.config, saved):
    source = recipes.kept_source(
      workdir,
      saved,
      _teller(values),
      trusted=values.trust_workdir or recipes.is_copy(values.config, workdir),
    )
  recipe = recipes.load(values.config, overrides, source)
  recipes.check_same(recipe, saved)
  return recipe


def _override(
  recipe: Recipe, overrides: Mapping[str, str], workdir: epath.Path
) -> None:
  """Sets values of a workdir's config, those that may differ between runs."""
  recipes.override(recipe.config, overrides)
  recipes.check_same(recipe, recipes.saved_config(workdir))


def _train(
  values: flags.FlagValues, recipe: Recipe, workdir: epath.Path
) -> int:
  """Trains as the config and the flags say; returns the exit code."""
  config = recipe.config
  profile = values.profile and parse_steps(values.profile, config.steps)
  outcome = runs.run(
    recipe.build(),
    workdir,
    steps=config.steps,
    batch_size=config.batch_size,
    execution=make_execution(values.execution, values.mesh),
    recipe=recipe,
    init_from=values.init_from,
    profile=profile,
    wandb=values.wandb,
    seed=config.seed,
    accumulate=config.accumulate,
    norm_group=config.norm_group,
    log_every=config.log_every,
    eval_every=config.eval_every,
    save_every=config.save_every,
    keep_best=config.keep_best,
    keep_every=config.keep_every,
  )
  return _finish(outcome, values, config.steps)


def _finish(outcome: Outcome, values: flags.FlagValues, steps: int) -> int:
  """Tells how the run ended; returns the exit code."""
  if outcome.stopped_by is None:
    shown = {
      name: round(value, 6)
      for name, value in outcome.figures.items()
      if not name.startswith(("train/", "time/", "flops/", "memory/"))
    }
    _say(f"Step {outcome.step} of {steps}: {to_json(shown)}")
    return 0
  _say(
    f"{outcome.stopped_by}: saved step {outcome.step} of {steps}; the same "
    "command resumes there."
  )
  return values.preempted_exit_code
