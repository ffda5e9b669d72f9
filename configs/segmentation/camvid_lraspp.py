"""LR-ASPP on a dilated MobileNet v3 on CamVid, at 360 x 480.

Nothing is published of it there. The backbone begins at random;
`--init_from=model/backbone=FILE` begins with the weights of a file that was
imported, such as torchvision:mobilenet_v3_large's. Data as in camvid_unet.py.
For a GPU; not run there yet. The variant `cpu`, of smaller windows and fewer
steps, is for some fifteen minutes of a core, and has an mIoU of 35.6 then (one
seed, averaged weights); camvid_unet.py:cpu is better on a CPU.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES, CAMVID_VOID
from vision_jax.experiment import Experiment
from vision_jax.models.backbones import mobilenet_v3
from vision_jax.models.segmentation.lraspp import LRASPP
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.segmentation_options import metrics_of, task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import resolve_masks, segmentation_config


def get_config():
  """Returns the values.

  blocks: of MobileNetV3-Large that the backbone has, the first ones.
  """
  return segmentation_config(
    dataset="camvid",
    image_size=(360, 480),
    class_names=CAMVID_CLASSES,
    ignore_values=(CAMVID_VOID,),
    flip=True,
    balance=True,
    scale=(0.5, 2.0),
    jitter=0.3,
    steps=15_000,
    batch_size=8,
    log_every=50,
    eval_every=500,
    save_every=500,
    blocks=15,
    features=128,
    lr=2e-3,
    warmup=200,
    weight_decay=1e-2,
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
    "class_names": SCENE_CLASSES,
    "ignore_values": (),
    "steps": 20,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "warmup": 2,
    "blocks": 7,
    "features": 8,
    "ema": 0.99,
  },
  "cpu": {
    "crop": (180, 240),
    "scale": (0.6, 1.2),
    "balance": False,
    "loss": ("cross_entropy", "jaccard"),
    "loss_weights": (1.0, 0.5),
    "tta_flip": True,
    "steps": 600,
    "eval_every": 0,
    "save_every": 50,
    "warmup": 100,
    "ema": 0.99,
  },
}

resolve = resolve_masks


def build(config):
  blocks = mobilenet_v3.LARGE[: config.blocks]
  backbone = mobilenet_v3.MobileNetV3(
    num_classes=0,
    blocks=mobilenet_v3.dilated(blocks),
    momentum=0.9,
    first_maps=True,
    remat=config.remat,
    dtype=config.dtype,
  )
  model = LRASPP(
    len(config.class_names),
    backbone,
    features=config.features,
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
    weights=("raw", "ema"),
  )
  return Experiment(
    task=task_of(config, model),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    ema={"model": config.ema},
    best=("val/ema/miou", "max"),
    **pipeline.fields(),
  )
