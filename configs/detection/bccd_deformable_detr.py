"""Deformable DETR on BCCD's blood cells from scratch, of four resolutions.

205 / 87 / 72 images of 640 x 480, as `bccd_detr.py` says, which has them too.
Queries are the boxes that the encoder's tokens propose, and each decoder layer
corrects them (`--config.form=two_stage`); `refined` starts from learned points,
and `plain` has no correction either. Attention is to four points a head of each
map, so that maps of stride 8 are no more work than the pixels that they have.
Focal loss, as in the paper; half its features and layers, and trained
BatchNorm. AP50 >= 0.85 is what to reach. For a GPU; not run there yet. The
variant `cpu` is a narrower net on smaller images for 2 cores, not run either.
"""

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.losses.detection import SigmoidFocal
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.deformable_detr import DeformableDetr
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.detection import Detection

FORMS = {
  "plain": {},
  "refined": {"refine": True},
  "two_stage": {"refine": True, "two_stage": True},
}


def get_config():
  """Returns the values.

  form: "plain", "refined" or "two_stage". levels: the backbone's maps whose
  pixels are the tokens. more_levels: further maps, each half as large. groups:
  of the maps' normalization. points: that a head sees in each map. features:
  width of a token. heads: of each attention. hidden: features within a block's
  MLP. encoder_layers, decoder_layers: how many. num_queries: boxes that the
  decoder may find.
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
    form="two_stage",
    width=64,
    stages=(2, 2, 2, 2),
    levels=("c3", "c4", "c5"),
    more_levels=1,
    groups=32,
    points=4,
    features=128,
    heads=8,
    hidden=512,
    encoder_layers=3,
    decoder_layers=3,
    num_queries=100,
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
    "stages": (1, 1, 1, 1),
    "groups": 8,
    "points": 2,
    "features": 32,
    "heads": 4,
    "hidden": 64,
    "encoder_layers": 1,
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
    "groups": 16,
    "features": 64,
    "heads": 4,
    "hidden": 128,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_queries": 60,
    "lr": 5e-4,
    "ema": 0.99,
  },
}

resolve = resolve_boxes


def build(config):
  if config.form not in FORMS:
    raise UserError(
      f"--config.form: got {config.form!r}; expected one of {', '.join(FORMS)}."
    )
  backbone = ResNet(
    num_classes=0,
    stages=config.stages,
    bottleneck=False,
    width=config.width,
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = DeformableDetr(
    len(config.class_names),
    backbone,
    levels=config.levels,
    more=config.more_levels,
    groups=config.groups,
    points=config.points,
    num_queries=config.num_queries,
    features=config.features,
    heads=config.heads,
    hidden=config.hidden,
    encoder_layers=config.encoder_layers,
    decoder_layers=config.decoder_layers,
    dropout=0.0,
    remat=config.remat,
    dtype=config.dtype,
    **FORMS[config.form],
  )
  optimizer = adamw(
    warmup_cosine(config.lr, config.steps, warmup=config.warmup),
    weight_decay=config.weight_decay,
    rates={"^backbone/": config.backbone_rate},
    clip=config.clip,
  )
  focal = SetCriterion(
    SigmoidFocal(), weights={"class": 2.0, "l1": 5.0, "giou": 2.0}
  )
  task = Detection(model, focal)
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
