"""Nuclei one by one by Mask R-CNN: boxes that are proposed, a mask in each.

A folder of images and one of masks that number the objects, as
nuclei_stardist.py says, which has the other way to find them, for objects that
are many and convex. Here objects may have any form, and overlap. Of fluorescent
nuclei (BBBC038) Mask R-CNN has AP50 0.83 on a near set, as remembered from the
paper of StarDist; `val/ap50` is TP / (TP + FP + FN) above an IoU of one half.

A ResNet-50 with trained BatchNorm from scratch, anchors of 8 to 128 pixels and
a pyramid on the strides 4 to 32. Squares of `crop` pixels are cut out, scaled,
turned and mirrored; images are evaluated and predicted at their own sizes.
`max_objects` are learned from of a square, and the term `dropped` counts what
is beyond; `detections` are found in an image, and those with a score of `sure`
are objects. `--mode=predict` writes COCO's json with run lengths, 16-bit PNGs
that number the objects, and overlays.

The variant `cpu` is a narrow net of the same form, on squares of 128 pixels.
Neither was trained yet.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.losses.two_stage import Draw, TwoStageCriterion
from vision_jax.metrics.instances import InstancePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.mask_rcnn import MaskRCNN
from vision_jax.ops import augment
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.augmentation import Augmentation, augment_config
from vision_jax.pipelines.colours import GREY
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.instances import instances
from vision_jax.pipelines.sources.instances import InstanceData
from vision_jax.tasks.instance_segmentation import (
  WEIGHTS,
  InstanceSegmentation,
)


def get_config():
  """Returns the values.

  crop: side of the squares that training sees. hidden: features of the head of
  boxes. convs: of the head of masks. anchor_size: side of the first level's
  anchors, in pixels. candidates: the best anchors of a level, in training and
  otherwise. proposals: boxes that are left of them, in training and otherwise.
  drawn_anchors: of an image, that are learned from. drawn_proposals: of an
  image, that are learned from. canonical: side of a box, in pixels, that is
  looked at at stride 16. max_objects: of a square, that are learned from.
  features: channels of the pyramid. detections: kept of an image, at most.
  least: score above which a box counts. overlap: IoU with a better box above
  which one is dropped. sure: score from which on a detection is an object.
  """
  return base_config(
    steps=20_000,
    batch_size=8,
    eval_batch_size=2,
    log_every=50,
    eval_every=2000,
    save_every=2000,
    dataset="folder",
    images="",
    masks="",
    layout="",
    on_shared="error",
    scenes=(0, 0, 0),
    image_size=(64, 64),
    channels=1,
    bands=(),
    show_bands=(),
    stretch=(1.0, 99.8),
    crop=256,
    in_memory=True,
    augment=augment_config(
      scale=(0.7, 1.4),
      rotation=45.0,
      flip="horizontal",
      brightness=0.2,
      contrast=0.2,
      noise=0.03,
    ),
    bottleneck=True,
    width=64,
    stages=(3, 4, 6, 3),
    features=256,
    hidden=1024,
    convs=4,
    anchor_size=8,
    canonical=56.0,
    candidates=(1000, 1000),
    proposals=(600, 600),
    drawn_anchors=256,
    drawn_proposals=256,
    max_objects=200,
    detections=400,
    least=0.05,
    overlap=0.5,
    sure=0.5,
    lr=2e-4,
    warmup=500,
    weight_decay=1e-4,
    clip=10.0,
    ema=0.999,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "dataset": "discs",
    "scenes": (64, 8, 8),
    "image_size": (48, 48),
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "crop": 32,
    "bottleneck": False,
    "width": 8,
    "stages": (1, 1),
    "features": 8,
    "hidden": 16,
    "convs": 1,
    "candidates": (30, 30),
    "proposals": (20, 20),
    "drawn_anchors": 16,
    "drawn_proposals": 8,
    "max_objects": 10,
    "detections": 10,
    "lr": 1e-3,
    "warmup": 2,
    "ema": 0.9,
  },
  "cpu": {
    "steps": 2400,
    "batch_size": 4,
    "eval_every": 800,
    "save_every": 200,
    "crop": 128,
    "bottleneck": False,
    "width": 16,
    "stages": (1, 1, 1),
    "features": 32,
    "hidden": 128,
    "convs": 2,
    "candidates": (300, 600),
    "proposals": (150, 400),
    "drawn_anchors": 128,
    "drawn_proposals": 64,
    "max_objects": 60,
    "lr": 2e-3,
    "warmup": 100,
    "ema": 0.995,
  },
}
ON_CPU = "cpu"


def resolve(config):
  """Finds out the layout of one's own folder, as a run begins."""
  config.layout = InstanceData.of(config).check()


def build(config):
  images, loading = InstanceData.of(config), Loading.of(config)
  move = Augmentation.of(config).masks(colours=GREY)
  turn = augment.random_quarter_turn()
  data = instances(
    train=images.train,
    evals=images.evals,
    patch_size=config.crop,
    loading=loading,
    metrics={"instances": InstancePrecision()},
    stretch=config.stretch,
    colours=GREY,
    in_memory=config.in_memory,
    augment=augment.sequence(turn, move) if move else turn,
    weights=("raw", "ema"),
    class_names=("object",),
    formats=("coco", "instances", "overlay"),
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  optimizer = adamw(
    schedule, weight_decay=config.weight_decay, clip=config.clip
  )
  return Experiment(
    task=task_of(config),
    optimizers={"model": optimizer},
    ema={"model": config.ema},
    best=("val/ema/ap50", "max"),
    **data.fields(),
  )


def task_of(config):
  backbone = ResNet(
    num_classes=0,
    stages=tuple(config.stages),
    bottleneck=config.bottleneck,
    width=config.width,
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = MaskRCNN(
    1,
    backbone,
    levels=tuple(backbone.strides),
    features=config.features,
    hidden=config.hidden,
    size=config.anchor_size,
    candidates=tuple(config.candidates),
    proposed=tuple(config.proposals),
    canonical=config.canonical,
    mask_convs=config.convs,
    dtype=config.dtype,
  )
  criterion = TwoStageCriterion(
    WEIGHTS,
    anchors=Draw(config.drawn_anchors, 0.5, 0.7, 0.3, best=True),
    regions=Draw(config.drawn_proposals, 0.5, 0.5, 0.5, best=False),
  )
  return InstanceSegmentation(
    model,
    criterion,
    least=config.least,
    overlap=config.overlap,
    detections=config.detections,
    max_objects=config.max_objects,
    sure=config.sure,
  )
