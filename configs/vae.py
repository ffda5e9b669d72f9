"""What the VAE configs share: the experiment around a model."""

from collections.abc import Sequence
from typing import Any

from configs.generation_data import (
  first_examples,
  reconstructions,
  unit_images,
)
from vision_jax.experiment import Eval, Experiment
from vision_jax.losses.likelihood import Likelihood
from vision_jax.metrics.latents import LatentNeighbours
from vision_jax.metrics.likelihood import ImportanceBound
from vision_jax.models.vae import VAE
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import Schedule
from vision_jax.tasks.vae import VariationalAutoencoding


def vae_experiment(
  config: Any,
  model: VAE,
  likelihood: Likelihood,
  rate: Schedule,
  names: Sequence[str],
  *,
  eps: float = 1e-8,
) -> Experiment:
  """Returns the training of a VAE on small images in [0, 1].

  Evaluates `test/negative_elbo` and `test/knn_accuracy` on the test images, and
  `bound/nll_k<score_samples>` on the first `score_examples` of them.

  Args:
    config: with dataset, image_size, channels, pixels, beta, samples,
      eval_batch_size, score_samples and score_examples (0 is all).
    model: the encoder and decoder.
    likelihood: of a pixel.
    rate: of Adam.
    names: of the classes.
    eps: of Adam.
  """
  task = VariationalAutoencoding(
    model, likelihood, config.pixels, config.beta, config.samples
  )
  train, test, inputs = unit_images(config, names)
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0, eps=eps)},
    train_data=train,
    inputs=inputs,
    evals={
      "test": Eval(
        test, {"latent": LatentNeighbours()}, pictures=reconstructions
      ),
      "bound": Eval(
        first_examples(test, config.score_examples),
        {"bound": ImportanceBound(config.score_samples)},
        output=task.bound(config.score_samples),
        costly=True,
      ),
    },
  )
