"""What diffusion configs share: the rate, the samples and the bound.

Of their values: `times` is T of the schedule; `decay` of the rate after its
warm-up is "cosine" or "none"; `clip` says whether denoised images are clipped
to [-1, 1] while sampling; `sampler`, `sampling_steps`, `spacing` and `guidance`
are of the samples that are evaluated, one for each of the first `eval_examples`
test images, of its class, or with real="train" for each training image;
`bound_terms` of the bound are evaluated for each of these test images; `ema` is
the decay of the averaged weights, which alone are evaluated.
"""

from vision_jax.data.source import Source
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.generation_scores import MeanOf
from vision_jax.optim.schedules import Schedule, constant, warmup_cosine
from vision_jax.pipelines.data import Output
from vision_jax.tasks.diffusion import Diffusion


def rate(decay: str, peak: float, steps: int, *, warmup: int) -> Schedule:
  """Returns the learning rate after its warm-up.

  Args:
    decay: "cosine", or "none", which stays at the peak.
    peak: the largest rate.
    steps: of the run.
    warmup: steps of a linear rise.

  Raises:
    UserError: for another decay.
  """
  if decay == "none":
    return constant(peak, warmup=warmup)
  if decay != "cosine":
    raise UserError(f"decay: got {decay!r}; expected 'cosine' or 'none'.")
  return warmup_cosine(peak, steps, warmup=warmup)


def sampling(
  task: Diffusion, *, sampler: str, steps: int, spacing: str, guidance: float
) -> Output:
  """Returns (params, stats, batch, key) -> samples of the batch's classes.

  Args:
    task: that samples.
    sampler, steps, spacing, guidance: as of `Diffusion.sample`.

  Raises:
    UserError: for guidance of a model that cannot be guided.
  """
  if guidance != 1:
    task.check_guidance(guidance)

  def output(params, stats, batch, key):
    return task.sample(
      params,
      stats,
      batch,
      key,
      sampler=sampler,
      steps=steps,
      spacing=spacing,
      guidance=guidance,
    )

  return output


def bound_evals(task: Diffusion, source: Source, terms: int) -> dict[str, Eval]:
  """Returns the variational bound in bits per dimension; none of 0 terms.

  Args:
    task: that bounds.
    source: images held out.
    terms: of the bound that are evaluated for each, a divisor of its times.
  """
  if not terms:
    return {}
  bits = MeanOf(("bits_per_dim", "prior_bits"), task.value_range)
  output = task.bits_per_dim(terms)
  return {
    "bound": Eval(source, {"bits": bits}, output=output, weights=("ema",))
  }
