"""A small Mask2Former on generated digit scenes: things and stuff at once.

Each of 25 queries has a class and a mask; the ten digits are things, of which
each object counts by itself, and the background is stuff. Images of 64 x 64,
masks at their full size. `test/pq` is panoptic quality, `test/miou` of the
classes alone. Not trained at length yet. Needs no data but the installed
packages.
"""

from vision_jax.core.checks import check_name
from vision_jax.experiment import Experiment, base_config
from vision_jax.losses.masks import MaskCriterion
from vision_jax.metrics.panoptic import PanopticQuality
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.segmentation.mask2former import Mask2Former
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.tasks.panoptic_segmentation import PanopticSegmentation

THINGS = tuple(range(1, len(SCENE_CLASSES)))  # all but the background


def get_config():
  """Returns the values.

  scale, degrees: of the digits, at random, see `mask_augment`. max_objects:
  digits of a scene that are learned from. mask_points: of a mask, at which it
  is compared with the truth, 12,544 in the paper; 0 compares all pixels. sure:
  score above which a query is a segment. whole: part of its mask that it has to
  get of the image's pixels.
  """
  return base_config(
    dataset="scenes",
    scenes=(6000, 0, 500),
    image_size=(64, 64),
    scale=(1.0, 1.0),
    degrees=0.0,
    steps=3000,
    batch_size=16,
    eval_batch_size=50,
    log_every=100,
    stages=(1, 1, 1),
    width=32,
    features=64,
    heads=4,
    hidden=128,
    decoder_layers=4,
    num_queries=25,
    max_objects=15,
    mask_points=0,
    sure=0.8,
    whole=0.8,
    lr=1e-3,
    weight_decay=1e-2,
    clip=1.0,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "image_size": (32, 32),
    "scenes": (64, 16, 32),
    "eval_batch_size": 16,
    "steps": 20,
    "log_every": 10,
    "stages": (1, 1),
    "width": 8,
    "features": 16,
    "hidden": 32,
    "decoder_layers": 2,
    "num_queries": 12,
    "max_objects": 8,
    "mask_points": 48,
  },
}


def build(config):
  check_name("--config.dataset", config.dataset, ("scenes",))
  scenes = MaskData(
    *(config.dataset, SCENE_CLASSES),
    scenes=config.scenes,
    image_size=config.image_size,
  )
  pipeline = segmentation(
    train=scenes.train,
    evals=scenes.evals,
    class_names=SCENE_CLASSES,
    image_size=config.image_size,
    augment=mask_augment(scale=config.scale, degrees=config.degrees),
    metrics={
      "segmentation": Segmentation(
        len(SCENE_CLASSES), class_names=SCENE_CLASSES
      ),
      "panoptic": PanopticQuality(SCENE_CLASSES, THINGS),
    },
    loading=Loading.of(config),
    more=("instances",),
  )
  optimizer = adamw(
    one_cycle(config.lr, config.steps),
    weight_decay=config.weight_decay,
    clip=config.clip,
  )
  return Experiment(
    task=task_of(config),
    optimizers={"model": optimizer},
    **pipeline.fields(),
  )


def task_of(config):
  backbone = ResNet(
    num_classes=0,
    stages=tuple(config.stages),
    bottleneck=False,
    width=config.width,
    stem="small",
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = Mask2Former(
    len(SCENE_CLASSES),
    backbone,
    levels=tuple(backbone.strides),
    num_queries=config.num_queries,
    features=config.features,
    heads=config.heads,
    hidden=config.hidden,
    decoder_layers=config.decoder_layers,
    remat=config.remat,
    dtype=config.dtype,
  )
  return PanopticSegmentation(
    model,
    THINGS,
    MaskCriterion(points=config.mask_points),
    max_objects=config.max_objects,
    sure=config.sure,
    whole=config.whole,
  )
