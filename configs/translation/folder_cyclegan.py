"""CycleGAN on two folders of your own: photographs and cartoons, unpaired.

  python -m vision_jax.main --config=configs/translation/folder_cyclegan.py \
      --config.a=PHOTOS --config.b=CARTOONS --workdir=out/cycle
  python -m vision_jax.main --mode=predict --workdir=out/cycle \
      --images=clip.mp4 --output=OUT

Images may have any sizes and kinds, and the folders as many as they like; a
tenth of each is held out by the names. `--config.direction=ba` says that
predictions make a's of b's. Measured on the held-out images are the losses
(`val/cycle_a/generator` is how far an a is from itself after both ways), and
with `--config.inception=FILE` the distances `val/a_fid` and `val/b_fid`.

As in the paper (arxiv.org/abs/1703.10593): ResNet-9, PatchGAN of 70 pixels,
least squares, batches of one, a pool of 50 images, 200 epochs of 1,000 images.
No time and no expected result are given: it is your data. `cpu` is for two
cores: images of 64 pixels, three blocks of width 16.
"""

from vision_jax.experiment import Experiment
from vision_jax.pipelines.translation_values import (
  adams,
  both_kinds,
  cycle_config,
  cycle_gan,
)


def get_config():
  return cycle_config(
    steps=200_000,
    batch_size=1,
    eval_batch_size=8,
    log_every=100,
    eval_every=10_000,
    save_every=10_000,
  )


VARIANTS = {
  "tiny": {
    "dataset": "digits",
    "image_size": 16,
    "load_size": 20,
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 0,
    "width": 4,
    "blocks": 1,
    "judge_width": 4,
    "judge_layers": 1,
    "pool": 12,
  },
  "cpu": {
    "image_size": 64,
    "load_size": 72,
    "steps": 1_000,
    "batch_size": 2,
    "eval_batch_size": 16,
    "eval_every": 250,
    "save_every": 250,
    "width": 16,
    "blocks": 3,
    "judge_width": 16,
  },
}
ON_CPU = "cpu"


def build(config):
  task = cycle_gan(config)
  return Experiment(
    task=task,
    optimizers=adams(config, task),
    **both_kinds(config, task).fields(),
  )
