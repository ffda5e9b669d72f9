"""DETR with a ResNet-50 on COCO, the paper's form: AP 42.0 is what to reach.

Carion et al., 2020, table 1 (500 epochs; 40.6 after 300), val2017. The folder
`--config.data_dir` has annotations/instances_SPLIT.json, train2017 and val2017.
`--config.backbone=R101` is 43.5, `R50-DC5` 43.3, `R101-DC5` 44.9. The backbone
has to start from ImageNet: `--init_from=WORKDIR|FILE`; its BatchNorm, stem and
first stage stay as they are, and its rate is a tenth. All that trains decays,
norms and biases too, as in the paper's code.

Differs from the paper: images are fitted into one square canvas, whose side is
`--config.image_size`, and random windows are cut on the device. Days on eight
GPUs; not run here.
"""

from vision_jax.experiment import Experiment
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.detection import detr
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import step_decay
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.detection import Detection

_EPOCH = 118_287 // 64


def get_config():
  """Returns the values.

  features: width of a token. heads: of each attention. hidden: features
  within a block's MLP. layers: of the encoder, and as many of the decoder.
  num_queries: boxes that the decoder may find. dropout: probability of
  zeroing a value at the end of each branch. attention_dropout: of zeroing an
  attention weight. drop_at: the step from which on the rate is a tenth.
  """
  return detection_config(
    dataset="coco",
    splits=("train2017", "val2017", ""),
    image_size=(1024, 1024),
    letterbox=True,
    in_memory=False,
    max_boxes=100,
    on_bad_box="drop",
    crop=(0.5, 1.5),
    crop_probability=0.5,
    flip=0.5,
    steps=500 * _EPOCH,
    batch_size=64,
    log_every=100,
    eval_every=10 * _EPOCH,
    save_every=_EPOCH,
    backbone="R50",
    frozen_norm=True,
    frozen=(r"^backbone/(conv1|bn1|conv2_\d+)/", r"bn\d?/"),
    features=256,
    heads=8,
    hidden=2048,
    layers=6,
    num_queries=100,
    dropout=0.1,
    attention_dropout=0.1,
    lr=1e-4,
    drop_at=400 * _EPOCH,
    backbone_rate=0.1,
    weight_decay=1e-4,
    clip=0.1,
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
    "batch_size": 16,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "backbone": "tiny",
    "frozen_norm": False,
    "frozen": (),
    "features": 32,
    "heads": 4,
    "hidden": 64,
    "layers": 2,
    "num_queries": 10,
    "drop_at": 16,
  },
}

resolve = resolve_boxes


def build(config):
  options = {
    "features": config.features,
    "heads": config.heads,
    "hidden": config.hidden,
    "encoder_layers": config.layers,
    "decoder_layers": config.layers,
    "num_queries": config.num_queries,
    "dropout": config.dropout,
    "attention_dropout": config.attention_dropout,
    "remat": config.remat,
    "dtype": config.dtype,
  }
  model = detr.variant(
    config.backbone,
    len(config.class_names),
    frozen_norm=config.frozen_norm,
    **options,
  )
  optimizer = adamw(
    step_decay(config.lr, [config.drop_at]),
    weight_decay=config.weight_decay,
    no_decay=(),
    rates={"^backbone/": config.backbone_rate},
    frozen=tuple(config.frozen),
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
    task=Detection(model),
    optimizers={"model": optimizer},
    best=("val/ap", "max"),
    **pipeline.fields(),
  )
