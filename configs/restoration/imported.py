"""A net of restoration that others have published: what `--mode=import` writes.

  python -m vision_jax.main --mode=import --source=imdn:imdn_x2 \
      --file=IMDN_x2.pth --output=out/imdn
  python -m vision_jax.main --mode=eval --workdir=out/imdn \
      --config.data_dir=SETS --config.tests=Set5,Set14
  python -m vision_jax.main --mode=predict --workdir=out/imdn \
      --images=FOLDER --output=OUT

Of a net that enlarges, images are made smaller by MATLAB's bicubic, and what it
gives is rounded, and measured on luma without as many border pixels as the
scale. Of one that denoises, noise of `sigma` levels of 255 is drawn once for a
set. A net of one channel that enlarges gets luma. SETS has a folder of images
for each set; by default it is `restoration` in VISION_JAX_DATA.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.restoration import ImageQuality
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.imported_restoration import (
  RESTORATION,
  Restores,
  resolve_restoration,
)
from vision_jax.pipelines.restoration import restoration
from vision_jax.pipelines.sources.images import ImageSets
from vision_jax.tasks.restoration import Restoration


def get_config():
  return base_config(
    steps=1000,
    batch_size=16,
    eval_batch_size=1,
    dataset="folder",
    train="",
    tests=(),
    scenes=(0, 0, 0),
    image_size=40,  # side of what training cuts out, as the net takes it
    loss="l1",
    lr=1e-4,
    warmup=100,
    convolutional=True,
    **RESTORATION,
  )


VARIANTS = {
  "tiny": {
    "source": "kair:dncnn_color_blind",
    "fields": '{"width": 4, "depth": 3}',
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "image_size": 16,
    "steps": 20,
    "batch_size": 8,
    "eval_batch_size": 8,
    "log_every": 10,
    "warmup": 5,
  },
}

resolve = resolve_restoration


def build(config):
  net, images = Restores.of(config), ImageSets.of(config)
  larger = net.worse.scale > 1
  data = restoration(
    train=images.train,
    evals=images.evals,
    worse=net.worse,
    patch_size=config.image_size,
    loading=Loading.of(config),
    metrics={
      "quality": ImageQuality(
        net.luma or ("video" if larger else ""),
        shave=net.worse.scale if larger else 0,
        rounded=larger,
      )
    },
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Restoration(
      *(net.model, config.loss, net.luma),
      sigma=net.worse.sigma if net.worse.known else None,
    ),
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    **data.fields(),
  )
