"""FFDNet on Train400: noise of 0 to 75 of 255, of a level that it is given.

  python -m vision_jax.main --config=configs/restoration/train400_ffdnet.py \\
      --workdir=out/ffdnet
  python -m vision_jax.main --mode=eval --workdir=out/ffdnet --config.noise=50
  python -m vision_jax.main --mode=predict --workdir=out/ffdnet \\
      --config.noise=15 --images=FOLDER --output=OUT

BSD68 29.19 dB is published at 25, of a net that has seen 5,544 images. Data as
for `train400_dncnn.py`. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.ffdnet import FFDNet
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
    levels=(0.0, 75.0),
    scales=(1.0, 0.9, 0.8, 0.7),
    image_size=70,
    steps=90_000,
    batch_size=128,
    eval_every=5_000,
    save_every=5_000,
    width=64,
    depth=15,
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
    known=True,
  )
  check_level("noise", config.noise, config.levels)
  model = FFDNet(
    config.channels, config.width, config.depth, dtype=config.dtype
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(model, config.loss, sigma=config.noise),
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    ema={"model": config.ema},
    **restored(config, worse).fields(),
  )
