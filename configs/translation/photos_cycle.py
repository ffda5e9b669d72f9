"""Photographs into cartoons and back, by CycleGAN, on squares of 64 pixels.

The photographs of photos_cartoon.py, without pairs: every other one that is
trained on is a photograph, the rest are cartoons (`--config.style` names other
kinds), and none is both. What the held-out ones become is known, so that it is
measured: `test/b_l1` is the absolute error of the cartoons that photographs
become, of pixels of [0, 1], and `test/b_given_l1` that of the photographs as
they are; `test/a_l1` is of the way back. Predictions are of whole images.

`cpu`, generators of width 24 with four blocks, took 14 minutes of a core, and
came to a `test/b_l1` of 0.150, where the photograph itself is off by 0.075: it
draws the black lines, in colours that wander. The full variant is for a GPU,
and was not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.pipelines.translation_values import (
  adams,
  both_kinds,
  cycle_config,
  cycle_gan,
)


def get_config():
  """Returns the values.

  style, photos_train, photos_val, photos_test: as of photos_cartoon.py.
  """
  return cycle_config(
    dataset="photographs",
    style="cartoon",
    photos_train=("china", "flower", "astronaut", "motorcycle", "rocket"),
    photos_val=("coffee",),
    photos_test=("cat",),
    image_size=64,
    load_size=64,
    parts=True,
    steps=40_000,
    batch_size=8,
    eval_batch_size=28,
    log_every=100,
    eval_every=4_000,
    save_every=4_000,
    blocks=6,
  )


VARIANTS = {
  "tiny": {
    "photos_train": ("china", "flower"),
    "photos_val": (),
    "photos_test": ("cat",),
    "image_size": 16,
    "load_size": 16,
    "steps": 20,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "width": 4,
    "blocks": 1,
    "judge_width": 4,
    "judge_layers": 1,
    "pool": 12,
  },
  "cpu": {
    "steps": 1_500,
    "batch_size": 4,
    "log_every": 50,
    "eval_every": 250,
    "save_every": 250,
    "width": 24,
    "blocks": 4,
    "judge_width": 24,
  },
}
ON_CPU = "cpu"


def build(config):
  task = cycle_gan(config)
  return Experiment(
    task=task,
    optimizers=adams(config, task),
    best=("val/b_l1", "min") if config.photos_val else None,
    **both_kinds(config, task).fields(),
  )
