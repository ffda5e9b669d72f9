"""Photographs into cartoons, by pix2pix on squares of 64 pixels.

Photographs that scikit-learn and scikit-image bring along (`pip install
scikit-image`), and what the bilateral filter and black edges make of them
(`--config.style=sketch` or `edges` for others). Whole photographs are trained
on, validated and tested, never squares of one in two splits:
`--config.photos_train` and so on name them. `test/l1` is the absolute error of
pixels of [0, 1], `test/given_l1` that of the photographs as they are. The
generator alone, by its pixels, is `--config.adversarial=0`. Predictions are of
whole images at their own size.

`cpu`, a U-Net of six levels and width 32, took 17 minutes of a core that had
other work too, and came to a `test/l1` of 0.0505, its generator alone to
0.0468, where the photograph itself is off by 0.0754. The full variant is for a
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
  """Returns the values.

  style: what photographs become, a name of `STYLES`. photos_train, photos_val,
  photos_test: names of those of each split.
  """
  return pix2pix_config(
    dataset="photographs",
    style="cartoon",
    photos_train=("china", "flower", "astronaut", "motorcycle", "rocket"),
    photos_val=("coffee",),
    photos_test=("cat",),
    image_size=64,
    load_size=64,
    parts=True,
    steps=40_000,
    batch_size=32,
    eval_batch_size=28,
    log_every=100,
    eval_every=4_000,
    save_every=4_000,
    depth=6,
  )


VARIANTS = {
  "tiny": {
    "photos_train": ("china",),
    "photos_val": (),
    "photos_test": ("flower",),
    "image_size": 32,
    "load_size": 32,
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
    "steps": 1_000,
    "batch_size": 8,
    "log_every": 50,
    "eval_every": 250,
    "save_every": 250,
    "width": 32,
    "judge_width": 16,
    "generator_lr": 1e-3,
  },
}
ON_CPU = "cpu"


def build(config):
  task = pix2pix(config)
  return Experiment(
    task=task,
    optimizers=adams(config, task),
    best=("val/l1", "min") if config.photos_val else None,
    **paired(config).fields(),
  )
