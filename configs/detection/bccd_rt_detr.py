"""RT-DETR on BCCD's blood cells from scratch, of three resolutions.

205 / 87 / 72 images of 640 x 480, as `bccd_detr.py` says, which has them too.
The sizes are RT-DETR-R18's: a ResNet-18-D, attention within its coarsest map
alone, a pyramid of convolutions, and three decoder layers that correct the
boxes of the tokens with the best classes. Classes learn how well their boxes
fit, and boxes with noise are learned beside the queries (`--config.denoising=0`
for none). Its BatchNorm is trained, queries are 100, and the images have half
their sides. AP50 >= 0.85 is what to reach. For a GPU; not run there yet. The
variant `cpu` is a narrower net on smaller images for 2 cores, not run either.
"""

from vision_jax.experiment import Experiment
from vision_jax.losses.detection import Varifocal
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.rt_detr import RTDetr
from vision_jax.ops.noised_boxes import BoxNoise
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.detection import Detection


def get_config():
  """Returns the values.

  levels: the backbone's maps whose pixels are the tokens. blocks: of each of
  the pyramid's layers. expansion: width within them, a part of the features.
  points: that a head sees in each map. features: width of a token. heads: of
  each attention. hidden: features within a block's MLP. encoder_layers,
  decoder_layers: how many. num_queries: boxes that the decoder may find.
  denoising: groups of noised boxes in training; 0 is none.
  """
  return detection_config(
    dataset="voc",
    splits=("train", "val", "test"),
    image_size=(240, 320),
    class_names=("Platelets", "RBC", "WBC"),
    max_boxes=40,
    on_bad_box="drop",
    crop=(0.5, 1.1),
    crop_ratio=(0.8, 1.25),
    flip=0.5,
    flip_vertical=0.5,
    jitter=0.3,
    per_class=True,
    voc_ap=True,
    steps=8_000,
    batch_size=16,
    log_every=50,
    eval_every=500,
    save_every=500,
    width=64,
    stages=(2, 2, 2, 2),
    levels=("c3", "c4", "c5"),
    blocks=3,
    expansion=0.5,
    points=4,
    features=256,
    heads=8,
    hidden=1024,
    encoder_layers=1,
    decoder_layers=3,
    num_queries=100,
    denoising=2,
    lr=2e-4,
    backbone_rate=1.0,
    warmup=100,
    weight_decay=1e-4,
    clip=1.0,
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
    "width": 8,
    "stages": (1, 1, 1),
    "levels": ("c3", "c4"),
    "blocks": 1,
    "points": 2,
    "features": 32,
    "heads": 4,
    "hidden": 64,
    "decoder_layers": 2,
    "num_queries": 10,
    "lr": 5e-4,
    "warmup": 2,
    "ema": 0.9,
  },
  "cpu": {
    "image_size": (120, 160),
    "steps": 1_500,
    "batch_size": 8,
    "width": 16,
    "features": 64,
    "heads": 4,
    "hidden": 128,
    "decoder_layers": 2,
    "num_queries": 60,
    "lr": 5e-4,
    "ema": 0.99,
  },
}

resolve = resolve_boxes


def build(config):
  backbone = ResNet(
    num_classes=0,
    stages=config.stages,
    bottleneck=False,
    width=config.width,
    stem="deep",
    shortcut="D",
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = RTDetr(
    len(config.class_names),
    backbone,
    levels=config.levels,
    points=config.points,
    num_queries=config.num_queries,
    features=config.features,
    heads=config.heads,
    hidden=config.hidden,
    encoder_features=config.features,
    encoder_hidden=config.hidden,
    blocks=config.blocks,
    expansion=config.expansion,
    encoder_layers=config.encoder_layers,
    decoder_layers=config.decoder_layers,
    denoise=config.denoising > 0,
    remat=config.remat,
    dtype=config.dtype,
  )
  optimizer = adamw(
    warmup_cosine(config.lr, config.steps, warmup=config.warmup),
    weight_decay=config.weight_decay,
    rates={"^backbone/": config.backbone_rate},
    clip=config.clip,
  )
  criterion = SetCriterion(
    Varifocal(),
    weights={"class": 1.0, "l1": 5.0, "giou": 2.0},
    cost={"class": 2.0, "l1": 5.0, "giou": 2.0},
  )
  noise = BoxNoise(config.denoising) if config.denoising else None
  task = Detection(model, criterion, noise=noise)
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
