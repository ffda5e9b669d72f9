"""What the GAN configs share: the experiment around two nets."""

from collections.abc import Callable, Sequence
from typing import Any

from configs.generation_data import sample_evals, signed_images
from vision_jax.experiment import Experiment
from vision_jax.metrics.generation_extractor import Extractor
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

  Evaluates samples of the averaged generator: see `sample_evals`.

  Args:
    config: with dataset, image_size, channels, generator_lr,
      discriminator_lr, b1, b2, ema, eval_batch_size, eval_examples and real.
    task: both nets and their loss.
    names: of the classes.
    extractor: what samples are looked at through.
    augment: inside the step.
  """
  images = signed_images(config, names)
  adam = lambda rate: adamw(rate, b1=config.b1, b2=config.b2, weight_decay=0.0)
  # An optimizer counts its own updates.
  updates = config.steps * task.discriminator_steps
  return Experiment(
    task=task,
    optimizers={
      "generator": adam(linear(config.generator_lr, config.steps)),
      "discriminator": adam(linear(config.discriminator_lr, updates)),
    },
    train_data=images.train,
    inputs=images.inputs,
    evals=sample_evals(
      config,
      images,
      task.sample,
      extractor,
      recognised=bool(task.num_classes),
    ),
    augment=augment,
    ema={"generator": config.ema},
  )
