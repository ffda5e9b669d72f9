"""ESPCN on T91: luma three times larger, laid out as pixels at the end.

  python -m vision_jax.main --config=configs/restoration/t91_espcn.py \\
      --workdir=out/espcn

5x5, 3x3 and 3x3 convolutions, at the small size. Data as for `t91_srcnn.py`;
bicubic has 30.39 dB on Set5. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.espcn import ESPCN
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
    image_size=20,
    luma="video",
    steps=100_000,
    batch_size=64,
    eval_every=5_000,
    save_every=5_000,
    widths=(64, 32),
    kernels=(5, 3, 3),
    loss="l2",
    lr=1e-3,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "scales": (1.0, 0.8),
    "image_size": 8,
    "widths": (4, 4),
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
  model = ESPCN(
    config.scale,
    1 if config.luma else config.channels,
    tuple(config.widths),
    tuple(config.kernels),
    dtype=config.dtype,
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(model, config.loss, config.luma),
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    ema={"model": config.ema},
    **restored(config, worse).fields(),
  )
