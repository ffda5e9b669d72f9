"""What the diffusion configs share: the experiment around a denoiser."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import numpy as np

from configs.data import small_images
from vision_jax.data.loader import Loader
from vision_jax.data.subsets import subset
from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.metrics.generation import SampleQuality
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import MeanOf, Recognised
from vision_jax.ops.diffusion import schedule
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.diffusion import Diffusion
from vision_jax.viz.grid import grid

SHOWN, COLUMNS = 80, 10


def diffusion_config(*, steps: int, batch_size: int, **values: Any) -> Any:
  """Returns a config with what every diffusion run has.

  times: T of the schedule. sampler, sampling_steps, guidance: of the samples
  that are evaluated, one for each of the first `eval_examples` test images, of
  its class. bound_terms: of the variational bound, bits per dimension, that are
  evaluated for each of these images (a divisor of times); 0 is no bound. ema:
  decay of the averaged weights, which alone are evaluated.
  """
  return base_config(
    steps=steps,
    batch_size=batch_size,
    **{
      "holdout": 0,
      "schedule": "linear",
      "times": 1000,
      "prediction": "eps",
      "weighting": "uniform",
      "variance": "large",
      "drop_label": 0.1,
      "sampler": "ddim",
      "sampling_steps": 50,
      "guidance": 1.0,
      "bound_terms": 0,
      "ema": 0.9999,
      "dtype": "float32",
      "convolutional": True,
    }
    | values,
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

  Evaluates samples: `frechet_<extractor>`, and `recognised`, the share that the
  extractor takes for its class.

  Args:
    config: of `diffusion_config`, with dataset, image_size, channels, lr,
      warmup, eval_batch_size and eval_examples.
    model: the denoiser.
    names: of the classes.
    extractor: what samples are looked at through.
    augment: inside the step.
    recognised: whether to tell it; of a class-conditional model.
  """
  half = (0.5,) * config.channels
  data = small_images(config, (half, half), names)
  task = Diffusion(
    model,
    schedule(config.schedule, config.times),
    prediction=config.prediction,
    weighting=config.weighting,
    variance=config.variance,
    drop_label=config.drop_label,
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  metrics = {"quality": SampleQuality(extractor)}
  if recognised:
    metrics["recognised"] = Recognised(extractor)
  test = _first(data.evals["test"].data, config.eval_examples)
  evals = {
    "test": Eval(
      test,
      metrics,
      output=_sampling(config, task),
      weights=("ema",),
      pictures=_pictures,
    )
  }
  if config.bound_terms:
    evals["bound"] = Eval(
      test,
      {"bits": MeanOf(("bits_per_dim", "prior_bits"), task.value_range)},
      output=task.bits_per_dim(config.bound_terms),
      weights=("ema",),
    )
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0, clip=1.0)},
    train_data=data.train_data,
    evals=evals,
    augment=augment,
    ema={"model": config.ema},
  )


def _sampling(config: Any, task: Diffusion) -> Callable[..., Any]:
  def output(params, stats, batch, key):
    return task.sample(
      params,
      stats,
      batch,
      key,
      sampler=config.sampler,
      steps=config.sampling_steps,
      guidance=config.guidance,
    )

  return output


def _first(loader: Loader, number: int) -> Loader:
  """The first examples of a loader; 0 is all."""
  if not number:
    return loader
  return Loader(
    subset(loader.source, np.arange(number)),
    loader.transforms,
    loader.batch_size,
    shuffle=False,
  )


def _pictures(batch: Any, out: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """A grid of samples, small ones enlarged."""
  image = (np.asarray(out["image"])[:SHOWN] + 1) / 2
  factor = max(1, 32 // image.shape[1])
  return {"samples": grid(image.repeat(factor, 1).repeat(factor, 2), COLUMNS)}
