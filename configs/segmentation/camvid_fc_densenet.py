"""FC-DenseNet103 on CamVid, from scratch: 66.9 mIoU, 91.5 global in the paper.

Its numbers are of batch statistics at test time, of one image at a time:
`test_moments="image"`; "running" is the usual way. First windows of 224 x 224,
as in the paper; then whole images at a tenth of the rate:

  python -m vision_jax.main --workdir=out/windows \
      --config=configs/segmentation/camvid_fc_densenet.py
  python -m vision_jax.main --workdir=out/whole --init_from=out/windows \
      --config=configs/segmentation/camvid_fc_densenet.py --config.crop= \
      --config.lr=0.0001 --config.batch_size=1 --config.steps=18000

The paper's optimizer is RMSprop with a rate that decays by 0.995 an epoch; here
AdamW with a cosine. FC-DenseNet56 is --config.stages=4,4,4,4,4,4,4,4,4,4,4 with
--config.growth=12. Data as in camvid_unet.py. For a GPU; not run there yet.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES, CAMVID_VOID
from vision_jax.experiment import Experiment
from vision_jax.models.segmentation.fc_densenet import FCDenseNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.segmentation_options import metrics_of, task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import resolve_masks, segmentation_config


def get_config():
  return segmentation_config(
    dataset="camvid",
    image_size=(360, 480),
    class_names=CAMVID_CLASSES,
    ignore_values=(CAMVID_VOID,),
    flip=True,
    crop=(224, 224),
    steps=60_000,
    batch_size=3,
    log_every=100,
    eval_every=2000,
    save_every=2000,
    stages=(4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4),
    growth=16,
    width=48,
    dropout=0.2,
    test_moments="image",
    lr=1e-3,
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
    "crop": (24, 24),
    "batch_size": 8,
    "stages": (1, 1, 1, 1, 1),
    "growth": 4,
    "width": 6,
  },
}

resolve = resolve_masks


def build(config):
  model = FCDenseNet(
    len(config.class_names),
    stages=tuple(config.stages),
    growth=config.growth,
    width=config.width,
    dropout=config.dropout,
    test_moments=config.test_moments,
    remat=config.remat,
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
    task=task_of(config, model),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **pipeline.fields(),
  )
