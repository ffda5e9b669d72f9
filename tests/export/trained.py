"""Workdirs of tiny nets, one of each task, that tests use and leave alone."""

import functools
import tempfile

from tests.programs.command import train

CONFIGS = {
  "classifier": "configs/classification/digits_cnn.py:tiny",
  "segmenter": "configs/segmentation/digit_scenes_unet.py:tiny",
  "detector": "configs/detection/digit_scenes_detr.py:tiny",
  "vit": "configs/classification/mnist_vit.py:tiny",
}


@functools.cache
def workdir(kind):
  """Returns the workdir of a net that was trained for two steps."""
  folder = tempfile.mkdtemp(prefix="vision_jax_trained_")
  flags = ("--config.steps=2", "--config.eval_every=0")
  train(f"{folder}/run", *flags, config=CONFIGS[kind], devices=1)
  return f"{folder}/run"
