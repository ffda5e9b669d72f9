"""VDSR: twenty convolutions on what bicubic has enlarged; Set5 33.66 dB at x3.

  python -m vision_jax.main --config=configs/restoration/t91_vdsr.py \\
      --workdir=out/vdsr --config.data_dir=SETS --config.train=FOLDER

The published number is of 291 images (T91 and 200 of BSD) and of a net for
scales 2, 3 and 4; here are one scale and T91, or the folder that is named. For
a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.vdsr import VDSR
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.restoration import Worse
from vision_jax.pipelines.restoration_values import restoration_config, restored
from vision_jax.tasks.restoration import Restoration


def get_config():
  return restoration_config(
    train="T91",
    tests=("Set5", "Set14"),
    scale=3,
    scales=(1.0, 0.9, 0.8, 0.7, 0.6),
    smaller="bicubic",
    image_size=42,
    luma="video",
    steps=60_000,
    batch_size=64,
    eval_every=5_000,
    save_every=5_000,
    width=64,
    depth=20,
    loss="l2",
    lr=1e-3,
    clip=1.0,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "scales": (1.0, 0.8),
    "image_size": 18,
    "width": 4,
    "depth": 3,
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
  worse = Worse(config.scale, config.smaller, enlarge=True)
  model = VDSR(
    1 if config.luma else config.channels,
    config.width,
    config.depth,
    dtype=config.dtype,
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(model, config.loss, config.luma),
    optimizers={"model": adamw(rate, weight_decay=0.0, clip=config.clip)},
    ema={"model": config.ema},
    **restored(config, worse).fields(),
  )
