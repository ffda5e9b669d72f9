"""FCOS on your own boxes: `--config.data_dir=MY_DATA`.

The detector for small data: a few hundred images are enough, from scratch, and
it learns in a fraction of DETR's time (`voc_detr.py`, which says what layouts
there are, and what becomes of boxes that cannot be right). Pictures without
boxes are trained on too: there is nothing to find. Image and boxes are cropped,
mirrored and changed in colour at random, `--config.augment.crop=0` and so on
change that; `--mode=check` draws some as they are trained on. For objects that
overlap much `--config.overlap=0.7` keeps more of them;
`--config.tta_scales=1,1.5 --config.tta_flip=true` looks again at what is
evaluated and predicted, enlarged and mirrored. No expected result, it is your
data.

The variant `cpu`, which is taken where there is no accelerator and no variant
is named (`:full` is the whole one), is a narrow net on images of 256 pixels,
with the values of bccd_fcos.py's variant for a CPU, and a number of steps that
does not grow with the data: within 20 minutes of two cores. Objects of less
than about ten pixels at that size want a larger `--config.image_size`.
"""

from vision_jax.experiment import Experiment
from vision_jax.losses.dense import PointCriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.fcos import FCOS
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.augmentation import Augmentation, augment_config
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import detection
from vision_jax.pipelines.segmentation_options import views_of
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.dense_detection import DenseDetection


def get_config():
  """Returns the values.

  tta_scales: how many times larger images are seen in evaluation and
  prediction, together; () sees them as they are. tta_flip: whether mirrored,
  too.
  """
  return detection_config(
    dataset="folder",
    splits=(),
    on_bad_box="drop",
    image_size=(320, 320),
    letterbox=True,
    in_memory=False,
    augment=augment_config(
      crop=(0.36, 1.44),
      crop_ratio=(0.8, 1.25),
      flip="horizontal",
      brightness=0.3,
      contrast=0.3,
      saturation=0.3,
    ),
    per_class=True,
    voc_ap=True,
    steps=10_000,
    batch_size=16,
    log_every=50,
    eval_every=500,
    save_every=500,
    bottleneck=True,
    width=64,
    stages=(3, 4, 6, 3),
    more_levels=2,
    features=256,
    convs=4,
    groups=32,
    least=0.05,
    overlap=0.6,
    tta_scales=(),
    tta_flip=False,
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
    "image_size": (256, 256),
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
ON_CPU = "cpu"

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
    model,
    PointCriterion(),
    least=config.least,
    overlap=config.overlap,
    views=views_of(config),
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
    augment=Augmentation.of(config).boxes(loading.colours),
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
