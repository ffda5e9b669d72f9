"""What the GAN configs share: the experiment around two nets."""

from collections.abc import Callable, Sequence
from typing import Any

from configs.generation_data import (
  first_examples,
  signed_images,
  signed_samples,
)
from vision_jax.experiment import Eval, Experiment
from vision_jax.metrics.generation import SampleQuality
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import Recognised
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import linear
from vision_jax.tasks.gan import GAN


def gan_experiment(
  config: Any,
  task: GAN,
  names: Sequence[str],
  extractor: Extractor,
  *,
  augment: Callable[..., Any] | None = None,
) -> Experiment:
  """Returns the training of a GAN on small images in [-1, 1].

  Evaluates samples of the averaged generator, one for each of the first
  `eval_examples` test images: `frechet_<extractor>`, and of conditional nets
  `recognised`, the share that the extractor takes for their class.

  Args:
    config: with dataset, image_size, channels, generator_lr,
      discriminator_lr, b1, b2, ema, eval_batch_size and eval_examples.
    task: both nets and their loss.
    names: of the classes.
    extractor: what samples are looked at through.
    augment: inside the step.
  """
  train, test = signed_images(config, names)
  adam = lambda rate: adamw(rate, b1=config.b1, b2=config.b2, weight_decay=0.0)
  # An optimizer counts its own updates.
  updates = config.steps * task.discriminator_steps
  metrics = {"quality": SampleQuality(extractor)}
  if task.num_classes:
    metrics["recognised"] = Recognised(extractor)
  return Experiment(
    task=task,
    optimizers={
      "generator": adam(linear(config.generator_lr, config.steps)),
      "discriminator": adam(linear(config.discriminator_lr, updates)),
    },
    train_data=train,
    evals={
      "test": Eval(
        first_examples(test, config.eval_examples),
        metrics,
        output=task.sample,
        weights=("ema",),
        pictures=signed_samples,
      )
    },
    augment=augment,
    ema={"generator": config.ema},
  )
