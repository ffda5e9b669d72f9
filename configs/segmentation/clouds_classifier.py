"""A classifier of small images, clear or cloudy, and its maps of tiles.

It learns from 6,400 + 6,400 images of 64 x 64 pixels with a label each, is
tested on 320 + 320, and is then made a map of 64 tiles of 256 x 256 in two
ways: slid over them, a window every `--config.slide=8` pixels (`slid/...`), and
run over each tile once, as the convolutions that it is (`convolutional/...`);
at the same windows both are equal. Measured are pixel accuracy, IoU, Dice and
the area under the ROC curve. `clouds_fcn.py` and `clouds_unet.py` learn from
masks instead, and begin with this net's weights where they are given.

Clouds are generated, thin ones over bright ground among them. One's own are
`--config.dataset=npz --config.data_dir=toy.npz`, with the arrays train_images,
train_labels, test_images, test_labels (0 clear, 1 cloudy) and eval_tiles, and
if there are masks (0 and 1) train_masks and eval_masks; tiles without masks are
not measured.

The variant `cpu`, which is taken where there is no accelerator, is shorter.
With seed 0, in two minutes of a core, 97.5 % of the test images are right, and
IoU of cloudy pixels is 68.2 % in either map.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.segmentation.windows import WindowClassifier
from vision_jax.ops.augment import random_flip
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.clouds import cloud_labels
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.clouds import CLOUDS, Clouds, resolve_clouds
from vision_jax.tasks.classification import Classification
from vision_jax.tasks.maps import WindowMaps


def get_config():
  """Returns the values.

  slide: pixels from one window to the next where they are slid over a tile.
  """
  return base_config(
    **CLOUDS,
    steps=2000,
    batch_size=64,
    eval_batch_size=8,
    log_every=50,
    slide=8,
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
    "scenes": (64, 16),
    "tiles": (4, 0, 4),
    "window": 32,
    "image_size": (48, 48),
    "steps": 20,
    "batch_size": 16,
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
  clouds, loading = Clouds.of(config), Loading.of(config)
  model = WindowClassifier(
    len(clouds.names()),
    window=config.window,
    width=config.width,
    depth=config.depth,
    hidden=config.hidden,
    patch=config.patch,
    dtype=config.dtype,
  )
  maps = WindowMaps.of(model, config.slide)
  schedule = one_cycle(config.lr, config.steps, rise=config.rise)
  return Experiment(
    task=Classification(model),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    augment=random_flip(),
    **cloud_labels(clouds, maps, loading).fields(),
  )
