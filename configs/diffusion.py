"""What the diffusion configs share: the experiment around a denoiser."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn

from configs.generation_data import (
  first_examples,
  sample_evals,
  signed_images,
)
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Experiment
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import MeanOf
from vision_jax.models.ddpm_unet import DDPMUNet
from vision_jax.ops.diffusion import schedule
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import Schedule, constant, warmup_cosine
from vision_jax.tasks.diffusion import Diffusion


def unet(config: Any, num_classes: int = 10) -> DDPMUNet:
  """Returns the denoiser of a config with width, multipliers and attention."""
  return DDPMUNet(
    num_classes=num_classes,
    width=config.width,
    multipliers=config.multipliers,
    blocks=config.blocks,
    attention=config.attention,
    groups=config.groups,
    dropout=config.dropout,
    remat=config.remat,
    dtype=config.dtype,
  )


def diffusion_experiment(
  config: Any,
  model: nn.Module,
  names: Sequence[str],
  extractor: Extractor,
  *,
  augment: Callable[..., Any] | None = None,
  recognised: bool = False,
) -> Experiment:
  """Returns the training of a denoiser on small images in [-1, 1].

  Evaluates samples: see `sample_evals`.

  Args:
    config: of `diffusion_config`, with dataset, image_size, channels, lr,
      warmup, eval_batch_size and eval_examples.
    model: the denoiser.
    names: of the classes.
    extractor: what samples are looked at through.
    augment: inside the step.
    recognised: whether to tell it; of a class-conditional model.
  """
  images = signed_images(config, names)
  task = Diffusion(
    model,
    schedule(config.schedule, config.times),
    prediction=config.prediction,
    weighting=config.weighting,
    variance=config.variance,
    drop_label=config.drop_label,
    clip=config.clip,
  )
  evals = sample_evals(
    config,
    images,
    _sampling(config, task),
    extractor,
    recognised=recognised,
  )
  if config.bound_terms:
    evals["bound"] = Eval(
      first_examples(images.test, config.eval_examples),
      {"bits": MeanOf(("bits_per_dim", "prior_bits"), task.value_range)},
      output=task.bits_per_dim(config.bound_terms),
      weights=("ema",),
    )
  return Experiment(
    task=task,
    optimizers={"model": adamw(_rate(config), weight_decay=0.0, clip=1.0)},
    train_data=images.train,
    inputs=images.inputs,
    evals=evals,
    augment=augment,
    ema={"model": config.ema},
  )


def _rate(config: Any) -> Schedule:
  if config.decay == "none":
    return constant(config.lr, warmup=config.warmup)
  if config.decay != "cosine":
    raise UserError(
      f"decay: got {config.decay!r}; expected 'cosine' or 'none'."
    )
  return warmup_cosine(config.lr, config.steps, warmup=config.warmup)


def _sampling(config: Any, task: Diffusion) -> Callable[..., Any]:
  if config.guidance != 1:
    task.check_guidance(config.guidance)

  def output(params, stats, batch, key):
    return task.sample(
      params,
      stats,
      batch,
      key,
      sampler=config.sampler,
      steps=config.sampling_steps,
      spacing=config.spacing,
      guidance=config.guidance,
    )

  return output
