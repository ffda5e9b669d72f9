"""The flags that every mode has, and those of a trained workdir."""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from vision_jax import paths
from vision_jax.command.environment import CACHE
from vision_jax.command.flags import keyed, option
from vision_jax.errors import UserError

if TYPE_CHECKING:  # they import jax
  from vision_jax.inference.trained import Trained
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes

EXECUTIONS = ("jit", "fsdp", "tensor", "pmap")
Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(abc.ABC):
  """What every mode can be given."""

  workdir: str | None = option(
    None,
    "Folder of the run: config, checkpoints, metrics; may be on an object "
    "store (gs://...).",
    path=True,
  )
  overrides: Mapping[str, str] = keyed(
    "config", "Set a value of the config; a mistyped key names the nearest."
  )
  fixed: Mapping[str, str] = keyed(
    "fixed",
    "Where the weights of a fixed net of the config's are, if they have moved.",
    path=True,
  )
  execution: str = option(
    "jit",
    "jit: data parallel over a mesh; fsdp: the state is sharded too; tensor: "
    "the layers of a ViT are split over devices; pmap: data parallel by "
    "jax.pmap.",
    choices=EXECUTIONS,
  )
  mesh: str = option(
    "",
    "Such as data:2,fsdp:4 or data:2,model:4; by default all devices are on "
    "the execution's own axis.",
  )
  preempted_exit_code: int | None = option(
    None,
    "Exit code after SIGTERM, for schedulers that take 0 as done.",
    low=0,
    high=255,
  )
  coordinator: str | None = option(
    None,
    "Several hosts: HOST:PORT of process 0; found automatically on TPU pods "
    "and under SLURM.",
  )
  num_processes: int | None = option(None, "Several hosts: how many.")
  process_id: int | None = option(None, "Several hosts: which one this is.")
  connect_timeout: float = option(
    300.0, "Several hosts: seconds to wait for them.", low=0
  )
  cpu_tuning: str = option(
    "auto",
    "On a CPU: set the allocator, XLA's option for convolutional nets (jax "
    "0.10) and the models' fast forms.",
    choices=("auto", "off"),
  )
  gpu_tuning: str = option(
    "auto",
    "On GPUs: take 92 % of the memory, and with several of them let XLA hide "
    "what they wait for each other; where the environment does not say.",
    choices=("auto", "off"),
  )
  deterministic: bool = option(
    False,
    "On GPUs: only operations that give the same numbers every time, which "
    "are slower; a run that was stopped then goes on to the same weights.",
  )
  compilation_cache: str = option(
    CACHE,
    "Folder of compiled programs, or off; JAX_COMPILATION_CACHE_DIR goes "
    "first.",
  )
  trust_workdir: bool = option(
    False,
    "Run the workdir's config.py although no training of this user has "
    "written it.",
  )
  strict: bool = option(
    False,
    "Refuse to go on with, or to use, a run whose data, first batches or "
    "source files are not what they were; without it, that is logged.",
  )
  max_pixels: int = option(
    178_956_970,
    "Larger images and masks are refused, as a small file may unpack to all "
    "of the memory.",
    low=1,
  )
  traceback: bool = option(False, "Show an error's traceback.")

  left: ClassVar[str] = ""  # what a signal before the end leaves to be logged
  starts: ClassVar[bool] = True  # jax, and with it the other processes

  @property
  def needs_workdir(self) -> bool:
    """Whether there is nothing to do without --workdir."""
    return True

  def check(self) -> None:
    """Refuses flags that do not go together.

    Raises:
      UserError: saying what is missing.
    """
    if self.needs_workdir and not self.workdir:
      raise UserError("--workdir is missing; expected a folder for the run.")
    several = (self.coordinator, self.num_processes, self.process_id)
    alone = several == (None, 1, None)  # though it looks like one of several
    if any(v is not None for v in several) and None in several and not alone:
      raise UserError(
        "--coordinator, --num_processes and --process_id go together; got "
        f"{several}."
      )
    paths.check_no_glob("workdir", self.workdir or "")

  def named(self) -> list[str]:
    """Returns the files and folders that the flags name."""
    fields = dataclasses.fields(self)
    given = [getattr(self, f.name) for f in fields if f.metadata.get("path")]
    several = [x.values() if isinstance(x, dict) else [x] for x in given]
    return [path for some in several for path in some if path]

  @abc.abstractmethod
  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Returns the config, and the shapes of a batch where those are known."""

  @abc.abstractmethod
  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Does what the mode is for; returns the exit code."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configured(Options):
  """Flags of modes that take a config file, or the workdir's."""

  config: str | None = option(
    None,
    "Config file, PATH or PATH:VARIANT (ours have :tiny); by default that "
    "in the workdir.",
  )

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Loads the config named, or that of the run that goes on."""
    from vision_jax.recipe import resume

    how = (self.workdir, self.config, self.overrides, log)
    return resume.begin_or_resume(*how, trusted=self.trust_workdir), None


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfWorkdir(Options):
  """Flags of modes that use a trained workdir."""

  checkpoint: str = option("latest", "latest, best or a step.")
  weights: str | None = option(
    None,
    "Which weights; by default eval measures those that the config says, "
    "predict and sample take those that `best` is chosen by; without a best "
    "the averaged ones if they are evaluated, else raw.",
    choices=("raw", "ema"),
  )

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Returns the workdir's config, and the shapes of its training batch."""
    from vision_jax.recipe import resume

    how = (self.workdir, self.overrides, log)
    return resume.use(*how, trusted=self.trust_workdir)

  def trained(
    self, recipe: "Recipe", batch: "Shapes | None", log: Log
  ) -> "Trained":
    """Returns the workdir's experiment, ready to be used."""
    from vision_jax.inference.trained import of_recipe
    from vision_jax.parallel.named import make_execution

    return of_recipe(
      recipe,
      self.workdir,
      batch,
      execution=make_execution(self.execution, self.mesh),
      checkpoint=self.checkpoint,
      weights=self.weights,
      strict=self.strict,
      fixed=self.fixed,
      log=log,
    )
