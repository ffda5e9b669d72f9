"""SRCNN 9-1-5 on T91: three times larger, Set5 32.39 dB is published.

  python -m vision_jax.main --config=configs/restoration/t91_srcnn.py \
      --workdir=out/srcnn
  python -m vision_jax.main --mode=predict --workdir=out/srcnn \
      --images=FOLDER --output=OUT

Luma of images that bicubic has enlarged (30.39 dB by itself); chroma stays
bicubic's. `restoration` of the folder that VISION_JAX_DATA names, or
`--config.data_dir`, has T91, Set5 and Set14. Differs from the paper: Adam and
averaged weights, larger parts, and augmentation as FSRCNN's. The variant `cpu`
has 32.39 dB after its 40,000 steps, 23 minutes of a core (seed 0, averaged
weights).
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.srcnn import SRCNN
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
    image_size=39,
    luma="video",
    steps=100_000,
    batch_size=64,
    eval_every=5_000,
    save_every=5_000,
    widths=(64, 32),
    kernels=(9, 1, 5),
    loss="l2",
    lr=1e-3,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "scales": (1.0, 0.8),
    "image_size": 18,
    "steps": 20,
    "batch_size": 8,
    "eval_batch_size": 4,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "widths": (4, 4),
    "warmup": 5,
  },
  "cpu": {
    "steps": 40_000,
    "batch_size": 16,
    "image_size": 39,
    "lr": 2e-3,
    "eval_every": 10_000,
    "save_every": 2_000,
  },
}


def build(config):
  worse = Worse(config.scale, config.smaller, enlarge=True)
  model = SRCNN(
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
