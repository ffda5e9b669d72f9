"""DETR on your own boxes in Pascal VOC's form: `--config.data_dir=VOC`.

The folder has JPEGImages, Annotations and ImageSets/Main with the lists train,
val and, if any, test (`--config.splits=train,val,`); classes are read from the
annotations, all of which are checked before the first step. Images may have any
size. Boxes that cannot be right are errors that name them;
`--config.on_bad_box=clip` cuts them to their image, and `drop` also leaves out
those without area. VOC's own files count pixels from one:
`--config.one_based=true`. About an hour on a GPU for a thousand images; no
expected result, it is your data.
"""

from configs.detection_data import (
  data_values,
  experiment_fields,
  resolve_classes,
)
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.detr import Detr
from vision_jax.models.resnet import ResNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.detection import Detection


def get_config(variant="full"):
  tiny = variant == "tiny"
  data = data_values(
    variant,
    dataset="voc",
    splits=("train", "val", ""),
    image_size=(320, 320),
    letterbox=True,
    in_memory=False,
    crop=(0.4, 1.2),
    crop_ratio=(0.8, 1.25),
    flip=0.5,
    jitter=0.3,
    per_class=True,
    voc_ap=True,
  )
  return base_config(
    steps=20 if tiny else 20_000,
    batch_size=16,
    log_every=10 if tiny else 50,
    eval_every=10 if tiny else 1_000,
    save_every=10 if tiny else 1_000,
    width=8 if tiny else 64,
    stages=(1, 1, 1, 1) if tiny else (2, 2, 2, 2),
    features=32 if tiny else 256,
    hidden=64 if tiny else 1024,
    encoder_layers=1 if tiny else 3,
    decoder_layers=2 if tiny else 4,
    num_queries=10 if tiny else 100,
    lr=2e-4,
    backbone_rate=1.0,
    warmup=2 if tiny else 500,
    weight_decay=1e-4,
    clip=1.0,
    ema=0.9 if tiny else 0.9995,
    dtype="float32",
    convolutional=True,
    **data,
  )


resolve = resolve_classes


def build(config):
  backbone = ResNet(
    num_classes=0,
    stages=tuple(config.stages),
    bottleneck=False,
    width=config.width,
    zero_init=False,
    dtype=config.dtype,
  )
  model = Detr(
    len(config.class_names),
    backbone,
    levels=("c4", "c5"),
    num_queries=config.num_queries,
    queries="encoder",
    features=config.features,
    hidden=config.hidden,
    encoder_layers=config.encoder_layers,
    decoder_layers=config.decoder_layers,
    dropout=0.0,
    background=False,
    dtype=config.dtype,
  )
  optimizer = adamw(
    warmup_cosine(config.lr, config.steps, warmup=config.warmup),
    weight_decay=config.weight_decay,
    rates={"^backbone/": config.backbone_rate},
    clip=config.clip,
  )
  return Experiment(
    task=Detection(model, class_weight=2.0),
    optimizers={"model": optimizer},
    ema={"model": config.ema},
    best=("val/ema/ap50", "max"),
    **experiment_fields(config, weights=("raw", "ema")),
  )
