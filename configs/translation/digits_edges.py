"""Digits from their edges, by pix2pix: what is wanted is known exactly.

scikit-learn's digits at 32 pixels, and Canny's edges of them, black on white. A
tenth of train is val, and 360 digits are test: `test/l1` is the absolute error
of pixels of [0, 1], `test/given_l1` that of the edges themselves. The generator
alone, by its pixels, is `--config.adversarial=0`.

`cpu` took 3 minutes of a core, and came to a `test/l1` of 0.0297, its generator
alone to 0.0296, where the edges are off by 0.685. The full variant is for a
GPU, and was not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.pipelines.translation_values import (
  adams,
  paired,
  pix2pix,
  pix2pix_config,
)


def get_config():
  return pix2pix_config(
    dataset="digits",
    image_size=32,
    load_size=32,
    flip=0.0,
    steps=20_000,
    batch_size=32,
    eval_batch_size=120,
    log_every=100,
    eval_every=2_000,
    save_every=2_000,
    depth=5,
    judge_layers=2,
  )


VARIANTS = {
  "tiny": {
    "image_size": 16,
    "load_size": 16,
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "width": 4,
    "depth": 3,
    "judge_width": 4,
    "judge_layers": 1,
  },
  "cpu": {
    "steps": 500,
    "batch_size": 16,
    "log_every": 50,
    "eval_every": 250,
    "save_every": 250,
    "width": 32,
    "judge_width": 32,
    "generator_lr": 1e-3,
  },
}
ON_CPU = "cpu"


def build(config):
  task = pix2pix(config)
  return Experiment(
    task=task,
    optimizers=adams(config, task),
    best=("val/l1", "min"),
    **paired(config).fields(),
  )
