"""Training, from the beginning or from where it stopped."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vision_jax import paths
from vision_jax.command.flags import option, parts
from vision_jax.command.options import Configured, Log

if TYPE_CHECKING:  # they import jax
  from vision_jax.experiment import Experiment
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes
  from vision_jax.train.loop import Outcome


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Trains; the same command resumes a run that has stopped."""

  left = "what was saved stays, and the same command goes on."

  init_from: Mapping[str, str] = parts(
    "Begin with the weights of this workdir, checkpoint or file (ours, or as "
    "others publish them; FILE:FAMILY/SOURCE names its layout); a head with "
    "other classes is new. PART=PATH: a part of a net alone, such as "
    "model/backbone; may be repeated.",
  )
  profile: str | None = option(
    None, "FIRST:LAST steps to trace into the workdir."
  )
  wandb: str | None = option(None, "Weights & Biases project to log to.")
  debug: str = option(
    "",
    "nojit runs every operation by itself, nans stops at the operation that "
    "gives NaN, step:N goes back to the last checkpoint, trains up to step N "
    "and does that one without jit, to find what is not finite; that writes "
    "nothing. Separated by commas.",
  )

  def check(self) -> None:
    """Refuses a place that weights cannot be read from, too."""
    super().check()
    for path in self.init_from.values():
      paths.check_no_glob("init_from", path)

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Loads the config; one that asks where weights come from is given that."""
    from vision_jax.recipe import recipe

    place = self.init_from.get("")
    if not (place and self.config) or "init_from" in self.overrides:
      return super().load(log)
    values = recipe.load(self.config, resolve=False).values
    given = {"init_from": place} if "init_from" in values else {}
    overrides = {**self.overrides, **given}
    asked = dataclasses.replace(self, overrides=overrides, init_from={})
    return Configured.load(asked, log)

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Trains as the config and the flags say; returns the exit code."""
    from vision_jax.command import debug
    from vision_jax.debugging.replay import look_into
    from vision_jax.parallel.named import make_execution
    from vision_jax.train import runs
    from vision_jax.train.plan import Plan
    from vision_jax.train.trace import parse_steps

    asked, plan = debug.parse(self.debug), Plan.of(recipe.config)
    debug.switch(asked, self.execution)
    execution = make_execution(self.execution, self.mesh)
    if asked.step is not None:
      with recipe.build().found_at(self.fixed) as experiment:
        look_into(
          *(asked.step, experiment, plan, self.workdir, execution),
          init_from=self._left_to_begin(recipe, experiment),
          log=log,
        )
      return 0
    profile = self.profile and parse_steps(self.profile, plan.steps)
    experiment = recipe.build().found_at(self.fixed)
    outcome = runs.run(
      experiment,
      self.workdir,
      execution=execution,
      recipe=recipe,
      init_from=self._left_to_begin(recipe, experiment),
      profile=profile,
      wandb=self.wandb,
      strict=self.strict,
      **dataclasses.asdict(plan),
    )
    return self._finish(outcome, experiment, plan.steps, log)

  def _left_to_begin(
    self, recipe: "Recipe", experiment: "Experiment"
  ) -> Mapping[str, str]:
    """Returns what begins as the flags say.

    Not what a config was given, which begins parts of its nets with it.
    """
    taken = recipe.config.get("init_from") and "" not in experiment.start
    return {k: x for k, x in self.init_from.items() if k or not taken}

  def _finish(
    self, outcome: "Outcome", experiment: "Experiment", steps: int, log: Log
  ) -> int:
    """Logs how the run ended; returns the exit code."""
    from vision_jax.report.ending import ending

    if outcome.stopped_by is None:
      log(f"Step {outcome.step} of {steps}:")
      samples = hasattr(experiment.task, "sample")
      after = "predict" if experiment.predict else "sample" * samples
      for line in ending(
        outcome.metrics, workdir=self.workdir, next_mode=after or "eval"
      ):
        log(line)
      return 0
    log(
      f"{outcome.stopped_by}: saved step {outcome.step} of {steps}; the same "
      "command resumes there."
    )
    return self.preempted_exit_code or 0
