"""DeepLab v3 on CamVid: 53.24 mIoU published, by a reproduction.

ResNet-50 at a stride of 8, with torchvision's auxiliary head at half the weight
(`--config.auxiliary=0` is without), SGD with rate 0.01. The backbone begins at
random; `--init_from=model/backbone=FILE` begins with the weights of a file that
was imported, such as torchvision:resnet50's. Data as in camvid_unet.py. For a
GPU; not run there yet.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES, CAMVID_VOID
from vision_jax.experiment import Experiment
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.segmentation.deeplabv3 import DeepLabV3
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.segmentation_options import metrics_of, task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import resolve_masks, segmentation_config


def get_config():
  """Returns the values.

  rates: dilations of the pyramid.
  """
  return segmentation_config(
    dataset="camvid",
    image_size=(360, 480),
    class_names=CAMVID_CLASSES,
    ignore_values=(CAMVID_VOID,),
    flip=True,
    scale=(0.5, 2.0),
    jitter=0.3,
    steps=15_000,
    batch_size=8,
    log_every=50,
    eval_every=500,
    save_every=500,
    stages=(3, 4, 6, 3),
    width=64,
    features=256,
    rates=(12, 24, 36),
    dropout=0.5,
    auxiliary=0.5,
    lr=0.01,
    warmup=200,
    weight_decay=1e-4,
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
    "class_names": SCENE_CLASSES,
    "ignore_values": (),
    "steps": 20,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "warmup": 2,
    "stages": (1, 1, 1),
    "width": 4,
    "features": 8,
    "rates": (2,),
  },
}

resolve = resolve_masks


def build(config):
  backbone = ResNet(
    num_classes=0,
    stages=tuple(config.stages),
    width=config.width,
    dilated=2,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = DeepLabV3(
    len(config.class_names),
    backbone,
    rates=tuple(config.rates),
    features=config.features,
    dropout=config.dropout,
    auxiliary=config.auxiliary > 0,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  masks, names = MaskData.of(config), tuple(config.class_names)
  loading = Loading.of(config)
  pipeline = segmentation(
    train=masks.train,
    evals=masks.evals,
    class_names=names,
    decode_mask=masks.decode_target(),
    mask_values=masks.mask_values,
    image_size=config.image_size,
    augment=mask_augment(
      scale=config.scale,
      degrees=config.degrees,
      crop=config.crop,
      flip=config.flip,
      jitter=config.jitter,
      colours=loading.colours,
    ),
    metrics=metrics_of(config),
    loading=loading,
  )
  return Experiment(
    task=task_of(config, model, auxiliary=config.auxiliary),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **pipeline.fields(),
  )
