"""YOLOX on BCCD's blood cells from scratch: red, white cells and platelets.

205 / 87 / 72 images of 640 x 480, as `bccd_detr.py` says, which has them too.
AP50 >= 0.85 is what to reach; published detectors from scratch have 0.875
(RT-DETR-R50) to 0.927.

The net is YOLOX-s at full resolution, with mosaics, large-scale jitter and
SimOTA; AdamW stands in place of the paper's SGD. For a GPU; not run there yet.
The variant `cpu` is a net of half the width at half the resolution, for two
cores; what it reaches is not known yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.losses.sim_ota import SimOTACriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.csp_darknet import CSPDarknet
from vision_jax.models.detection.yolox import YOLOX
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.dense_detection import DenseDetection


def get_config():
  """Returns the values.

  separable: whether convolutions are depthwise and pointwise ones.
  """
  return detection_config(
    dataset="voc",
    splits=("train", "val", "test"),
    image_size=(480, 640),
    class_names=("Platelets", "RBC", "WBC"),
    max_boxes=40,
    on_bad_box="drop",
    mosaic=0.5,
    crop=(0.6, 1.6),
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
    width=32,
    blocks=1,
    features=128,
    separable=False,
    least=0.05,
    overlap=0.65,
    lr=1e-3,
    warmup=300,
    weight_decay=5e-4,
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
    "width": 4,
    "features": 8,
    "warmup": 2,
    "ema": 0.9,
  },
  "cpu": {
    "image_size": (240, 320),
    "steps": 4_000,
    "batch_size": 4,
    "log_every": 25,
    "eval_every": 1_000,
    "save_every": 250,
    "width": 16,
    "features": 64,
    "lr": 2e-3,
    "warmup": 100,
    "ema": 0.995,
  },
}

resolve = resolve_boxes


def build(config):
  shared = {
    "depthwise": config.separable,
    "remat": config.remat,
    "dtype": config.dtype,
  }
  n = config.blocks
  model = YOLOX(
    len(config.class_names),
    CSPDarknet(config.width, (n, 3 * n, 3 * n, n), **shared),
    features=config.features,
    blocks=n,
    **shared,
  )
  task = DenseDetection(
    model, SimOTACriterion(), least=config.least, overlap=config.overlap
  )
  optimizer = adamw(
    warmup_cosine(config.lr, config.steps, warmup=config.warmup),
    weight_decay=config.weight_decay,
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
    mosaic=config.mosaic,
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
