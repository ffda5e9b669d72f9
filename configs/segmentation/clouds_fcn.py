"""An FCN on clouds: the classifier's blocks and dense layers, with padding.

It learns from the masks of 384 tiles, cut to `--config.crop=96,96` at random,
and is measured on the 64 tiles that `clouds_classifier.py` makes maps of; no
two of them are the same. `--init_from=WORKDIR` of the classifier begins with
its blocks and its first dense layer; without it all is new. One's own data are
`--config.dataset=npz --config.data_dir=toy.npz`, as there: its small images are
what is trained on, and where they have no train_masks each pixel has its
image's label.

The variant `cpu`, which is taken where there is no accelerator, is shorter: IoU
84.4 % of cloudy pixels with seed 0, in 80 seconds of a core, from a random
start.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.segmentation.windows import WindowFCN
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.clouds import cloud_masks, encoder_start
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment
from vision_jax.pipelines.sources.clouds import CLOUDS, Clouds, resolve_clouds
from vision_jax.tasks.segmentation import Segmentation


def get_config():
  return base_config(
    **CLOUDS,
    init_from="",
    crop=(96, 96),
    flip=True,
    steps=2000,
    batch_size=16,
    eval_batch_size=8,
    log_every=50,
    width=24,
    depth=2,
    hidden=128,
    patch=2,
    lr=3e-3,
    rise=0.2,
    weight_decay=1e-2,
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
    "hidden": 8,
  },
  "cpu": {"steps": 600},
}
ON_CPU = "cpu"

resolve = resolve_clouds


def build(config):
  clouds, loading = Clouds.of(config, masks=True), Loading.of(config)
  model = WindowFCN(
    len(clouds.names()),
    window=config.window,
    width=config.width,
    depth=config.depth,
    hidden=config.hidden,
    patch=config.patch,
    dtype=config.dtype,
  )
  task = Segmentation(model)
  blocks = [f"down{level}" for level in range(config.depth)]
  augment = mask_augment(
    crop=config.crop, flip=config.flip, colours=loading.colours
  )
  schedule = one_cycle(config.lr, config.steps, rise=config.rise)
  return Experiment(
    task=task,
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    start=encoder_start(config.init_from, [*blocks, "dense"]),
    **cloud_masks(clouds, task.probs, loading, augment).fields(),
  )
