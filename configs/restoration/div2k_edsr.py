"""EDSR-baseline on DIV2K: twice as large, Set5 37.99 dB is published.

  python -m vision_jax.main --config=configs/restoration/div2k_edsr.py \\
      --workdir=out/edsr --config.data_dir=SETS

SETS has the folders DIV2K, of the 800 images to train on, Set5 and Set14.
Decoded images stay in memory, 12 GB of DIV2K's; parts of 480 pixels that were
cut out before are as good. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.edsr import EDSR
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.restoration import Worse
from vision_jax.pipelines.restoration_values import restoration_config, restored
from vision_jax.tasks.restoration import Restoration


def get_config():
  return restoration_config(
    train="DIV2K",
    tests=("Set5", "Set14"),
    scale=2,
    smaller="bicubic",
    image_size=48,
    steps=300_000,
    batch_size=16,
    eval_every=10_000,
    save_every=10_000,
    width=64,
    blocks=16,
    residual_scale=1.0,
    loss="l1",
    lr=2e-4,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "image_size": 8,
    "width": 4,
    "blocks": 1,
    "steps": 20,
    "batch_size": 8,
    "eval_batch_size": 4,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "warmup": 5,
  },
}


def build(config):
  worse = Worse(config.scale, config.smaller)
  model = EDSR(
    config.scale,
    config.channels,
    config.width,
    config.blocks,
    config.residual_scale,
    dtype=config.dtype,
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(model, config.loss, config.luma),
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    ema={"model": config.ema},
    **restored(config, worse).fields(),
  )
