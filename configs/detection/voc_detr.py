"""DETR on your own boxes: `--config.data_dir=MY_DATA`.

Its layout is found out: VOC's xml with or without lists, COCO's json, YOLO's
text files, a csv of boxes, a prepared TFDS set, Hugging Face's parquet or
arrow, exports of CVAT and Label Studio. Where it may be read in two ways,
`--config.layout=NAME` says which; `--mode=check --config.data_dir=MY_DATA`
shows what is in it. Without val a tenth is held out, chosen by name;
`--config.splits=trainval,test,` takes lists of other names. Classes are read
from the annotations, all of which are checked before the first step. Images may
have any size. Boxes that leave their image are cut to it and those without area
are left out, which is told with their number; `--config.on_bad_box=error` stops
there instead. VOC's own files count pixels from one: `--config.one_based=true`.
Image and boxes are cropped and mirrored at random: `--config.augment.crop=0`
and so on change that, `.rotation=10` turns them, `.noise=0.05` adds noise
(`pipelines/augmentation.py` has them all), and `--mode=check` draws some as
they are trained on. About an hour on a GPU for a thousand images; no expected
result, it is your data.

The variant `cpu`, which is taken where there is no accelerator and no variant
is named (`:full` is the whole one), is a narrow net on images of 160 pixels,
with the values of bccd_detr.py's variant for a CPU, and a number of steps that
does not grow with the data: within 20 minutes of two cores. Boxes that are
small at that size want a larger `--config.image_size`.
"""

from vision_jax.experiment import Experiment
from vision_jax.losses.detection import SigmoidFocal
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.two_stage_detr import TwoStageDetr
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.augmentation import Augmentation, augment_config
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.detection import Detection


def get_config():
  return detection_config(
    dataset="folder",
    splits=(),
    on_bad_box="drop",
    image_size=(320, 320),
    letterbox=True,
    in_memory=False,
    augment=augment_config(
      crop=(0.16, 1.44),
      crop_ratio=(0.8, 1.25),
      flip="horizontal",
      brightness=0.3,
      contrast=0.3,
      saturation=0.3,
    ),
    per_class=True,
    voc_ap=True,
    steps=20_000,
    batch_size=16,
    log_every=50,
    eval_every=1_000,
    save_every=1_000,
    width=64,
    stages=(2, 2, 2, 2),
    levels=("c4", "c5"),
    features=256,
    hidden=1024,
    encoder_layers=3,
    decoder_layers=4,
    num_queries=100,
    lr=2e-4,
    backbone_rate=1.0,
    warmup=500,
    weight_decay=1e-4,
    clip=1.0,
    ema=0.9995,
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
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "width": 8,
    "stages": (1, 1, 1, 1),
    "features": 32,
    "hidden": 64,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_queries": 10,
    "warmup": 2,
    "ema": 0.9,
  },
  "cpu": {
    "image_size": (160, 160),
    "steps": 1_500,
    "batch_size": 8,
    "eval_every": 250,
    "save_every": 250,
    "width": 16,
    "stages": (2, 2, 2),
    "levels": ("c3", "c4"),
    "features": 96,
    "hidden": 192,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "lr": 5e-4,
    "warmup": 100,
    "ema": 0.99,
  },
}
ON_CPU = "cpu"

resolve = resolve_boxes


def build(config):
  backbone = ResNet(
    num_classes=0,
    stages=tuple(config.stages),
    bottleneck=False,
    width=config.width,
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = TwoStageDetr(
    len(config.class_names),
    backbone,
    levels=tuple(config.levels),
    num_queries=config.num_queries,
    features=config.features,
    hidden=config.hidden,
    encoder_layers=config.encoder_layers,
    decoder_layers=config.decoder_layers,
    dropout=0.0,
    background=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  criterion = SetCriterion(
    SigmoidFocal(), weights={"class": 2.0, "l1": 5.0, "giou": 2.0}
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
    task=Detection(model, criterion),
    optimizers={"model": optimizer},
    ema={"model": config.ema},
    best=("val/ema/ap50", "max"),
    **pipeline.fields(),
  )
