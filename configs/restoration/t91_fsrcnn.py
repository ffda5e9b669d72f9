"""FSRCNN (56, 12, 4) on T91: three times larger, Set5 33.06 dB is published.

  python -m vision_jax.main --config=configs/restoration/t91_fsrcnn.py \
      --workdir=out/fsrcnn

Luma at the small size; bicubic has 30.39 dB. Data as for `t91_srcnn.py`, with
the paper's augmentation. Differs from the paper: Muon, with Adam for the last
layer, and averaged weights, and larger parts. The variant `cpu` has 33.16 dB
after its 64,000 steps, 29 minutes of a core (seed 0, averaged weights).
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.fsrcnn import FSRCNN
from vision_jax.optim.optimizers import muon
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.restoration import Worse
from vision_jax.pipelines.restoration_values import restoration_config, restored
from vision_jax.tasks.restoration import Restoration

LAST_LAYER = r"(^|/)enlarge/"  # the deconvolution, which Adam trains


def get_config():
  return restoration_config(
    train="T91",
    tests=("Set5", "Set14"),
    scale=3,
    scales=(1.0, 0.9, 0.8, 0.7, 0.6),
    smaller="bicubic",
    image_size=26,
    luma="video",
    steps=200_000,
    batch_size=64,
    eval_every=10_000,
    save_every=10_000,
    width=56,
    narrow=12,
    depth=4,
    loss="l2",
    lr=1e-3,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "scales": (1.0, 0.8),
    "image_size": 8,
    "steps": 20,
    "batch_size": 8,
    "eval_batch_size": 4,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "width": 8,
    "narrow": 4,
    "depth": 1,
    "warmup": 5,
  },
  "cpu": {
    "steps": 64_000,
    "batch_size": 10,
    "lr": 3e-3,
    "eval_every": 16_000,
    "save_every": 4_000,
  },
}


def build(config):
  model = FSRCNN(
    config.scale,
    1 if config.luma else config.channels,
    config.width,
    config.narrow,
    config.depth,
    dtype=config.dtype,
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(model, config.loss, config.luma),
    optimizers={
      "model": muon(rate, consistent_rms=0.2, adam_only=(LAST_LAYER,))
    },
    ema={"model": config.ema},
    **restored(config, Worse(config.scale, config.smaller)).fields(),
  )
