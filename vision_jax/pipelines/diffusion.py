"""Diffusion: sources of images in; samples, the bound and the rate out.

Flow matching too, whose samples are by a `solver`, and a prior over codes,
whose samples are unmasked. Of their values:

times: T of the schedule. schedule: of the noise, "linear", "cosine" or
"sigmoid". decay: of the rate after its warm-up, "cosine" or "none". clip:
whether denoised images are clipped to [-1, 1] while sampling. sampler: by which
the samples are drawn that are evaluated, as --sample.sampler. solver: the same
of flow matching. sampling_steps: how many steps it takes. other_steps: further
numbers of steps, each of which draws samples that are evaluated. spacing: how
their times are spaced. guidance: weight of the class in it; 1 is none.
eval_examples: a sample is evaluated for each of the first so many test images,
of its class; 0 is for all. real: "test", or "train", which compares a sample
for each training image with those. reference: a file of the real images'
statistics, which the first evaluation writes and others read; "" is none.
bound_terms: how many terms of the bound are evaluated for each of these test
images; 0 is none. conditional: whether the net knows classes. path: of flow
matching, how images become noise, a name of `ops.diffusion.PATHS`. ema: decay
of the averaged weights, which alone are evaluated.
"""

import dataclasses
import functools
from collections.abc import Sequence

import ml_collections

from vision_jax.core.types import Output
from vision_jax.data.source import Source
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import MeanOf
from vision_jax.optim.schedules import Schedule, constant, warmup_cosine
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.generation import first, generation, sample_evals
from vision_jax.tasks.code_prior import CodePrior
from vision_jax.tasks.denoising import Denoising
from vision_jax.tasks.diffusion import Diffusion


def rate(decay: str, peak: float, steps: int, *, warmup: int) -> Schedule:
  """Returns the learning rate after its warm-up.

  Args:
    decay: "cosine", or "none", which stays at the peak.
    peak: the largest rate.
    steps: length of the run.
    warmup: steps of a linear rise.

  Raises:
    UserError: for another decay.
  """
  if decay == "none":
    return constant(peak, warmup=warmup)
  if decay != "cosine":
    raise UserError(f"decay: got {decay!r}; expected 'cosine' or 'none'.")
  return warmup_cosine(peak, steps, warmup=warmup)


class Drawing:
  """How samples are drawn that are evaluated; a dataclass of options.

  Attributes:
    guidance: weight of the class; 1 is none.
  """

  guidance: float

  def output(self, task: Denoising | CodePrior) -> Output:
    """Returns what draws samples of a batch's classes.

    Raises:
      UserError: for guidance of a model that cannot be guided.
    """
    if self.guidance != 1:
      task.check_guidance(self.guidance)
    return functools.partial(task.sample, **dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True)
class Sampling(Drawing):
  """As of `Diffusion.sample`.

  Attributes:
    sampler: its name.
    steps: number of the sampler's steps.
    spacing: how the sampler's times are spaced.
    guidance: weight of the class; 1 is none.
  """

  sampler: str
  steps: int
  spacing: str = "even"
  guidance: float = 1.0

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "Sampling":
    """Returns what a config says that has `sampling_steps`."""
    return cls(
      config.sampler,
      config.sampling_steps,
      spacing=config.spacing,
      guidance=config.guidance,
    )


@dataclasses.dataclass(frozen=True)
class Solving(Drawing):
  """As of `FlowMatching.sample`, or of `MeanFlow.sample`.

  Attributes:
    solver: its name.
    steps: number of the solver's steps.
    spacing: how the solver's times are spaced.
    guidance: weight of the class; 1 is none.
  """

  solver: str
  steps: int
  spacing: str = "even"
  guidance: float = 1.0

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "Solving":
    """Returns what a config says that has `solver`."""
    return cls(
      config.solver,
      config.sampling_steps,
      spacing=config.spacing,
      guidance=config.guidance,
    )


@dataclasses.dataclass(frozen=True)
class Unmasking(Drawing):
  """As of `CodePrior.sample`.

  Attributes:
    steps: evaluations of the net.
    temperature: of what is kept from one step to the next.
    guidance: weight of the class; 1 is none.
  """

  steps: int
  temperature: float
  guidance: float = 1.0

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "Unmasking":
    """Returns what a config says that has `temperature`."""
    return cls(config.sampling_steps, config.temperature, config.guidance)


def diffusion(
  task: Denoising | CodePrior,
  *,
  train: Source,
  test: Source,
  extractor: Extractor,
  sampling: Drawing,
  others: Sequence[Unmasking | Sampling | Solving] = (),
  loading: Loading,
  real: str = "test",
  examples: int = 0,
  recognised: bool = True,
  bound_terms: int = 0,
  reference: str = "",
) -> Data:
  """Returns what an experiment takes that evaluates samples, and the bound.

  Args:
    task: samples images in [-1, 1]; a `Diffusion` bounds their likelihood.
    train: a `GatherSource` of images.
    test: one of images held out.
    extractor: what samples are looked at through.
    sampling: how they are drawn.
    others: other numbers of steps to draw as many by, of the same images:
      `test_4_steps/ema/...`.
    loading: how examples become batches.
    real, examples, recognised, reference: as of `sample_evals`.
    bound_terms: how many terms of the bound are evaluated for each of these
      `examples`, a divisor of the task's times; 0 evaluates no bound.

  Raises:
    UserError: for guidance of a model that cannot be guided; another `real`.
  """
  output = sampling.output(task)
  samples = sample_evals(
    *(train, test, output, extractor),
    real=real,
    examples=examples,
    recognised=recognised,
    reference=reference,
  )
  samples |= {
    f"{name}_{other.steps}_steps": dataclasses.replace(
      each, output=other.output(task), losses=False
    )
    for other in others
    for name, each in samples.items()
  }
  bound = bound_evals(task, first(test, examples), bound_terms)
  return generation(
    train=train,
    evals=samples | bound,
    colours=SIGNED,
    loading=loading,
    num_classes=task.num_classes,
  )


def bound_evals(task: Diffusion, source: Source, terms: int) -> dict[str, Eval]:
  """Returns the variational bound in bits per dimension; none of 0 terms.

  Args:
    task: bounds the images' likelihood.
    source: images held out.
    terms: how many terms of the bound are evaluated for each, a divisor of its
      times.
  """
  if not terms:
    return {}
  bits = MeanOf(("bits_per_dim", "prior_bits"), task.value_range)
  output = task.bits_per_dim(terms)
  return {
    "bound": Eval(source, {"bits": bits}, output=output, weights=("ema",))
  }
