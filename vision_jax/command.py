"""What the command does once its flags are read: sets up, then one mode."""

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
from absl import flags
from etils import epath

from vision_jax import debug as debugging
from vision_jax.core.execution import Jit, make_execution
from vision_jax.data.reading import set_max_pixels
from vision_jax.errors import UserError, files_of
from vision_jax.experiment import Experiment
from vision_jax.files import replace_text, to_json
from vision_jax.modes import Trained, evaluate, predict, sample
from vision_jax.paths import CONFIG_KEYS
from vision_jax.process import set_up
from vision_jax.recipe import recipe as recipes
from vision_jax.recipe import trust
from vision_jax.recipe.recipe import Recipe
from vision_jax.recipe.show import show
from vision_jax.train import initial
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.evaluate import Evaluator
from vision_jax.train.log.manifest import append_run, data_changes, describe_run
from vision_jax.train.log.progress import Progress
from vision_jax.train.log.writer import open_writer
from vision_jax.train.loop import Outcome, Training
from vision_jax.train.skipped import skipped_names
from vision_jax.train.stop import Stop, no_waiting_after_errors
from vision_jax.train.trace import Trace, parse_steps
from vision_jax.train.workdir import claim

NAMED = 3  # skipped images that are named


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
  """Trains; nothing is written before the data have given a batch."""
  config = recipe.config
  execution = make_execution(values.execution, values.mesh)
  _check_parts(config, execution)
  experiment = recipe.build()
  batch = _first_batch(experiment, execution)
  evaluator = Evaluator(experiment, execution)
  make = initial.state_maker(experiment, batch, config.seed)
  evaluator.check(initial.abstract_state(make, execution).weights)
  trace = None
  if values.profile:
    folder = workdir / "profile"
    trace = Trace(*parse_steps(values.profile, config.steps), folder)
  main_process = jax.process_index() == 0
  with contextlib.ExitStack() as stack:
    if main_process:
      stack.enter_context(claim(workdir))
    checkpoints = stack.enter_context(
      Checkpoints(
        workdir / "checkpoints",
        best=experiment.best,
        keep_best=config.keep_best,
        keep_every=config.keep_every or None,
      )
    )
    state, start = initial.begin(
      experiment,
      execution,
      checkpoints,
      batch,
      seed=config.seed,
      init_from=values.init_from,
    )
    progress = Progress(
      config.steps, config.batch_size, start=start, quiet=not main_process
    )
    if main_process:
      data = _fingerprints(experiment)
      for change in data_changes(workdir, data):
        progress.say(change)
      saved = recipes.saved_config(workdir)
      if start and saved:
        _tell_steps(recipes.changed_values(recipe, saved), start, progress.say)
      for name, text in recipe.files(batch, saved, start).items():
        replace_text(workdir / name, text)
      trust.remember(recipe.source)
      append_run(workdir, describe_run(data=data, step=start))
    owed = initial.evaluation_owed(workdir, experiment, config, start)
    if start:
      progress.say(f"Resuming at step {start} of {config.steps}.")
    writer = stack.enter_context(
      open_writer(
        workdir,
        start=start,
        process_index=jax.process_index(),
        wandb=values.wandb,
        config=config.to_dict(),
        sinks=[progress],
      )
    )
    outcome = Training(
      experiment=experiment,
      config=config,
      execution=execution,
      checkpoints=checkpoints,
      write=writer,
      progress=progress,
      stop=Stop(),
      trace=trace,
      evaluator=evaluator,
    ).run(state, start, owed=owed)
  _tell_skipped(experiment)
  return _finish(outcome, values, config.steps)


def _tell_steps(
  changed: Mapping[str, tuple[Any, Any]], start: int, say: Callable[[str], None]
) -> None:
  """Says what another number of steps does to a run that goes on."""
  if "steps" in changed:
    old, new = changed["steps"]
    say(
      f"steps: {old} in the workdir, {new} now. A schedule that ends with the "
      f"run is another one from step {start} on, and the learning rate jumps "
      "there; config.json keeps both under `changes`."
    )


def _tell_skipped(experiment: Experiment) -> None:
  """Tells how many images were left out, and names some."""
  if names := skipped_names(experiment):
    shown = ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)
    _say(f"Unreadable images, skipped: {len(names)} ({shown})")


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


def _fingerprints(experiment: Experiment) -> dict[str, str]:
  """Returns each data set's fingerprint."""
  evals = {name: e.data for name, e in experiment.evals.items()}
  loaders = {"train": experiment.train_data} | evals
  return {name: loader.fingerprint() for name, loader in loaders.items()}


def _check_parts(config: Any, execution: Jit) -> None:
  """Checks that a batch splits into microbatches, and these into groups."""
  shards = 1 if execution.axis is None else execution.devices
  if config.batch_size % (config.accumulate * shards):
    raise UserError(
      f"--config.accumulate: {config.batch_size} examples on {shards} shards "
      f"do not split into accumulate={config.accumulate} parts of one size; "
      f"expected a batch_size that divides by {config.accumulate * shards}."
    )
  parts = config.accumulate * execution.devices
  if config.norm_group and config.batch_size % (parts * config.norm_group):
    raise UserError(
      f"--config.norm_group: got {config.norm_group} with "
      f"{config.batch_size / parts:g} examples on each of {execution.devices} "
      "devices at a time; expected a divisor of them, or 0."
    )


def _first_batch(experiment: Experiment, execution: Jit) -> Mapping[str, Any]:
  """Reads and places a batch before anything is written: errors come here."""
  loader = experiment.train_data.shard(jax.process_index(), jax.process_count())
  batch = loader.batch(0)
  execution.put(batch)
  jax.eval_shape(experiment.inputs, batch)
  return batch
