"""FCOS on BCCD's blood cells from scratch: red, white cells and platelets.

205 / 87 / 72 images of 640 x 480, as `bccd_detr.py` says, which has them too.
AP50 >= 0.85 is what to reach, and 0.75 that of the platelets; published
detectors from scratch have 0.875 (RT-DETR-R50) to 0.927.

The net is torchvision's FCOS on a ResNet-50 with trained BatchNorm, at half the
resolution; p6 and p7 would see nothing there. For a GPU; not run there yet. The
variant `cpu` is a narrow net of the same form for 2 cores: a ResNet without its
last stage, a pyramid of 48 features on the strides 8 to 32. Its AP50 is 0.898
on test, that of the platelets 0.852 (one seed, some 20 minutes of a core).
"""

from vision_jax.experiment import Experiment
from vision_jax.losses.dense import PointCriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.fcos import FCOS
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.dense_detection import DenseDetection


def get_config():
  return detection_config(
    dataset="voc",
    splits=("train", "val", "test"),
    image_size=(240, 320),
    class_names=("Platelets", "RBC", "WBC"),
    max_boxes=40,
    on_bad_box="drop",
    crop=(0.6, 1.2),
    crop_ratio=(0.8, 1.25),
    flip=0.5,
    flip_vertical=0.5,
    jitter=0.3,
    per_class=True,
    voc_ap=True,
    steps=6_000,
    batch_size=16,
    log_every=50,
    eval_every=500,
    save_every=500,
    bottleneck=True,
    width=64,
    stages=(3, 4, 6, 3),
    more_levels=1,
    features=256,
    convs=4,
    groups=32,
    least=0.05,
    overlap=0.6,
    lr=3e-4,
    backbone_rate=1.0,
    warmup=200,
    weight_decay=1e-4,
    clip=10.0,
    ema=0.999,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "image_size": (32, 32),
    "scenes": (64, 16, 32),
    "eval_batch_size": 16,
    "class_names": DIGITS,
    "max_boxes": 5,
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "bottleneck": False,
    "width": 8,
    "stages": (1, 1, 1),
    "features": 16,
    "convs": 1,
    "groups": 4,
    "lr": 5e-4,
    "warmup": 2,
    "ema": 0.9,
  },
  "cpu": {
    "steps": 4_000,
    "batch_size": 4,
    "log_every": 25,
    "eval_every": 1_000,
    "save_every": 250,
    "bottleneck": False,
    "width": 24,
    "stages": (1, 2, 2),
    "features": 48,
    "convs": 2,
    "groups": 8,
    "lr": 2e-3,
    "warmup": 100,
    "ema": 0.995,
  },
}

resolve = resolve_boxes


def build(config):
  backbone = ResNet(
    num_classes=0,
    stages=tuple(config.stages),
    bottleneck=config.bottleneck,
    width=config.width,
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = FCOS(
    len(config.class_names),
    backbone,
    levels=tuple(backbone.strides)[1:],
    more=config.more_levels,
    features=config.features,
    convs=config.convs,
    groups=config.groups,
    dtype=config.dtype,
  )
  task = DenseDetection(
    model, PointCriterion(), least=config.least, overlap=config.overlap
  )
  optimizer = adamw(
    warmup_cosine(config.lr, config.steps, warmup=config.warmup),
    weight_decay=config.weight_decay,
    rates={"^backbone/": config.backbone_rate},
    clip=config.clip,
  )
  boxes, names = BoxData.of(config), tuple(config.class_names)
  loading = Loading.of(config)
  pipeline = detection(
    train=boxes.train,
    evals=boxes.evals,
    class_names=names,
    image_size=config.image_size,
    letterbox=config.letterbox,
    max_boxes=config.max_boxes,
    in_memory=config.in_memory,
    augment=box_augment(
      crop=config.crop,
      ratio=config.crop_ratio,
      probability=config.crop_probability,
      flip=config.flip,
      vertical=config.flip_vertical,
      jitter=config.jitter,
      colours=loading.colours,
    ),
    metrics={
      "ap": AveragePrecision(
        names, per_class=config.per_class, voc=config.voc_ap
      ),
      "threshold": BoxThreshold(),
    },
    loading=loading,
    annotations=config.annotations,
    weights=("raw", "ema"),
  )
  return Experiment(
    task=task,
    optimizers={"model": optimizer},
    ema={"model": config.ema},
    best=("val/ema/ap50", "max"),
    **pipeline.fields(),
  )
