"""DnCNN-S on Train400: noise of 25 of 255, BSD68 29.23 and Set12 30.44 dB.

  python -m vision_jax.main --config=configs/restoration/train400_dncnn.py \\
      --workdir=out/dncnn

Grey images of `restoration` in the folder that VISION_JAX_DATA names, or
`--config.data_dir`: Train400, Set12, BSD68. For many levels of noise, blind:
`--config.levels=0,55 --config.depth=20`. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.dncnn import DnCNN
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.restoration import Worse, check_level
from vision_jax.pipelines.restoration_values import restoration_config, restored
from vision_jax.tasks.restoration import Restoration


def get_config():
  return restoration_config(
    train="Train400",
    tests=("Set12", "BSD68"),
    channels=1,
    noise=25.0,
    levels=(25.0, 25.0),
    scales=(1.0, 0.9, 0.8, 0.7),
    image_size=40,
    steps=90_000,
    batch_size=128,
    eval_every=5_000,
    save_every=5_000,
    width=64,
    depth=17,
    loss="l2",
    lr=1e-3,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "channels": 3,
    "scales": (1.0, 0.8),
    "image_size": 16,
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
  worse = Worse(
    sigma=config.noise,
    least=config.levels[0],
    most=config.levels[1],
  )
  check_level("noise", config.noise, config.levels)
  model = DnCNN(config.channels, config.width, config.depth, dtype=config.dtype)
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(model, config.loss),
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    ema={"model": config.ema},
    **restored(config, worse).fields(),
  )
