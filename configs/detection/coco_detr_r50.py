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

from configs.detection_data import (
  data_values,
  experiment_fields,
  resolve_classes,
)
from vision_jax.experiment import Experiment, base_config
from vision_jax.models import detr, resnet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import step_decay
from vision_jax.tasks.detection import Detection

_EPOCH = 118_287 // 64


def get_config(variant="full"):
  tiny = variant == "tiny"
  data = data_values(
    variant,
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
  )
  steps = 20 if tiny else 500 * _EPOCH
  return base_config(
    steps=steps,
    batch_size=16 if tiny else 64,
    log_every=10 if tiny else 100,
    eval_every=10 if tiny else 10 * _EPOCH,
    save_every=10 if tiny else _EPOCH,
    backbone="tiny" if tiny else "R50",
    frozen_norm=not tiny,
    frozen=() if tiny else (r"^backbone/(conv1|bn1|conv2_\d+)/", r"bn\d?/"),
    features=32 if tiny else 256,
    heads=4 if tiny else 8,
    hidden=64 if tiny else 2048,
    layers=2 if tiny else 6,
    num_queries=10 if tiny else 100,
    dropout=0.1,
    lr=1e-4,
    drop_at=steps * 4 // 5,
    backbone_rate=0.1,
    weight_decay=1e-4,
    clip=0.1,
    dtype="float32",
    convolutional=True,
    **data,
  )


resolve = resolve_classes


def build(config):
  options = {
    "features": config.features,
    "heads": config.heads,
    "hidden": config.hidden,
    "encoder_layers": config.layers,
    "decoder_layers": config.layers,
    "num_queries": config.num_queries,
    "dropout": config.dropout,
    "dtype": config.dtype,
  }
  k = len(config.class_names)
  if config.backbone == "tiny":
    body = resnet.ResNet(0, (1, 1, 1, 1), False, 8)
    model = detr.Detr(k, body, **options)
  else:
    model = detr.variant(
      config.backbone, k, frozen_norm=config.frozen_norm, **options
    )
  optimizer = adamw(
    step_decay(config.lr, [config.drop_at]),
    weight_decay=config.weight_decay,
    no_decay=(),
    rates={"^backbone/": config.backbone_rate},
    frozen=tuple(config.frozen),
    clip=config.clip,
  )
  return Experiment(
    task=Detection(model),
    optimizers={"model": optimizer},
    best=("val/ap", "max"),
    **experiment_fields(config),
  )
