"""A U-Net on clouds, from a random start or with the classifier's encoder.

Trained and measured as `clouds_fcn.py` is. `--init_from=WORKDIR` of
`clouds_classifier.py` begins with its blocks, which are the U-Net's first
`--config.shared=2`; without it all is new.

The variant `cpu`, which is taken where there is no accelerator, is shorter: IoU
85.1 % of cloudy pixels with seed 0, and 85.5 % from the classifier's encoder,
each in two and a half minutes of a core.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.segmentation.unet import UNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.clouds import cloud_masks, encoder_start
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment
from vision_jax.pipelines.sources.clouds import CLOUDS, Clouds, resolve_clouds
from vision_jax.tasks.segmentation import Segmentation


def get_config():
  """Returns the values.

  shared: blocks of the encoder that begin with the weights of `init_from`.
  """
  return base_config(
    **CLOUDS,
    init_from="",
    shared=2,
    crop=(96, 96),
    flip=True,
    steps=2000,
    batch_size=16,
    eval_batch_size=8,
    log_every=50,
    width=24,
    depth=2,
    patch=2,
    lr=3e-3,
    rise=0.2,
    weight_decay=1e-2,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "tiles": (8, 0, 4),
    "window": 32,
    "image_size": (48, 48),
    "crop": (32, 32),
    "steps": 20,
    "batch_size": 8,
    "eval_batch_size": 4,
    "log_every": 10,
    "width": 4,
  },
  "cpu": {"steps": 600},
}
ON_CPU = "cpu"

resolve = resolve_clouds


def build(config):
  clouds, loading = Clouds.of(config, masks=True), Loading.of(config)
  model = UNet(
    len(clouds.names()),
    width=config.width,
    depth=config.depth,
    patch=config.patch,
    remat=config.remat,
    dtype=config.dtype,
  )
  task = Segmentation(model)
  blocks = [f"down{level}" for level in range(config.shared)]
  augment = mask_augment(
    crop=config.crop, flip=config.flip, colours=loading.colours
  )
  schedule = one_cycle(config.lr, config.steps, rise=config.rise)
  return Experiment(
    task=task,
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    start=encoder_start(config.init_from, blocks),
    **cloud_masks(clouds, task.probs, loading, augment).fields(),
  )
