"""YOLO's grid on generated digit scenes: cells, anchors, objectness.

The form that courses teach, of YOLO v2 with the losses of v3: a grid of 8 x 8
cells on images of 64 x 64, three anchors in each, whose shapes are the clusters
of the training boxes (`--config.anchors=WIDTH,HEIGHT,... ` gives others). Needs
no data but the installed packages; for some minutes of 2 CPU cores. What it
reaches is not known yet.

`--config.levels=c3,c4` with an even number of anchors has a grid on each of two
levels, as v3. Where it does not learn, let it learn a few images by heart, see
`digit_scenes_detr.py`.
"""

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.losses.grid import GridCriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.darknet import Darknet
from vision_jax.models.detection.yolo import YOLO
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_anchors
from vision_jax.tasks.dense_detection import DenseDetection


def get_config():
  """Returns the values.

  anchors: widths and heights of boxes in turn, as `YOLO` has them; () takes the
  clusters of the training boxes. num_anchors: how many of these.
  """
  return detection_config(
    dataset="scenes",
    scenes=(6000, 0, 500),
    class_names=DIGITS,
    max_boxes=5,
    steps=2_000,
    batch_size=16,
    eval_batch_size=50,
    log_every=50,
    eval_every=1_000,
    anchors=(),
    num_anchors=3,
    ignore=0.5,
    width=16,
    stages=(1, 1, 2),
    levels=("c3",),
    convs=1,
    least=0.05,
    overlap=0.5,
    lr=2e-3,
    warmup=100,
    weight_decay=1e-4,
    clip=10.0,
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
    "eval_every": 10,
    "width": 4,
    "stages": (1, 1, 1),
    "warmup": 2,
  },
}

resolve = resolve_anchors


def build(config):
  if len(config.anchors) % 2:
    raise UserError(
      f"--config.anchors: got {tuple(config.anchors)}; expected a width and a "
      "height for each."
    )
  model = YOLO(
    len(config.class_names),
    Darknet(
      config.width,
      tuple(config.stages),
      remat=config.remat,
      dtype=config.dtype,
    ),
    levels=tuple(config.levels),
    anchors=tuple(zip(config.anchors[::2], config.anchors[1::2], strict=True)),
    convs=config.convs,
    dtype=config.dtype,
  )
  task = DenseDetection(
    model,
    GridCriterion(ignore=config.ignore),
    least=config.least,
    overlap=config.overlap,
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
  )
  return Experiment(
    task=task,
    optimizers={"model": optimizer},
    **pipeline.fields(),
  )
