"""SRResNet on DIV2K: four times larger, Set5 32.05 dB is published.

  python -m vision_jax.main --config=configs/restoration/div2k_srresnet.py \\
      --workdir=out/srresnet --config.data_dir=SETS

SETS as for `div2k_edsr.py`. The published net has seen 350,000 images of
ImageNet. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.srresnet import SRResNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.restoration import Worse
from vision_jax.pipelines.restoration_values import restoration_config, restored
from vision_jax.tasks.restoration import Restoration


def get_config():
  return restoration_config(
    train="DIV2K",
    tests=("Set5", "Set14"),
    scale=4,
    smaller="bicubic",
    image_size=24,
    steps=300_000,
    batch_size=16,
    eval_every=10_000,
    save_every=10_000,
    width=64,
    blocks=16,
    loss="l2",
    lr=1e-4,
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
  model = SRResNet(
    config.scale,
    config.channels,
    config.width,
    config.blocks,
    dtype=config.dtype,
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(model, config.loss, config.luma),
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    ema={"model": config.ema},
    **restored(config, worse).fields(),
  )
