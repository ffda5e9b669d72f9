"""Pix2pix on pairs of your own: photographs into cartoons, or what you have.

  python -m vision_jax.main --mode=pairs --images=PHOTOS --style=cartoon \
      --output=PAIRS
  python -m vision_jax.main --config=configs/translation/folder_pix2pix.py \
      --config.data_dir=PAIRS --workdir=out/cartoon
  python -m vision_jax.main --mode=predict --workdir=out/cartoon \
      --images=clip.mp4 --output=OUT

PAIRS has train, and val and test where there are such, with the folders input
and target in each, images of the same names; or files of two images side by
side, as the paper's own data are. `--config.direction=ba` learns the way back.
Measured on held-out pairs are the absolute error, PSNR and SSIM (`val/l1`,
`test/psnr`), beside what they are of the input itself (`val/given_l1`), and
with `--config.inception=FILE` the distance `fid`. A video comes back as one.

As in the paper (arxiv.org/abs/1611.07004): U-Net 256, PatchGAN of 70 pixels,
batches of one image, whose own moments normalize it in tests too, 200 epochs of
400 images. The generator alone, by its pixels, is `--config.adversarial=0`. No
time and no expected result are given: it is your data. `cpu` is for two cores:
images of 64 pixels, six levels of width 32.
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
    steps=80_000,
    batch_size=1,
    eval_batch_size=8,
    log_every=100,
    eval_every=4_000,
    save_every=4_000,
    test_moments="image",
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
    "depth": 3,
    "judge_width": 4,
    "judge_layers": 1,
  },
  "cpu": {
    "image_size": 64,
    "load_size": 72,
    "steps": 1_000,
    "batch_size": 8,
    "eval_batch_size": 16,
    "eval_every": 250,
    "save_every": 250,
    "width": 32,
    "depth": 6,
    "judge_width": 16,
    "test_moments": "running",
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
