"""Depth from one image: a U-Net on generated scenes, whose depth is known.

Boxes and spheres stand on a chequered floor before a wall or the sky, which has
no depth and does not count. The net gives the logarithm of depth, and descends
the scale-invariant loss of Eigen et al. (2014); what is measured is AbsRel,
RMSE in metres, RMSE of logs, log10 and how much lies within 1.25, 1.25² and
1.25³ (`test/abs_rel`, `test/delta1` and so on).

On your own, `--config.dataset=folder --config.data_dir=MY_DATA`: the folders
images and depths in it (or `--config.images=A --config.depths=B`), maps of the
same names, PNG of 16 bits in `--config.depth_unit` metres (0.001 is
NYU's, 0.00390625 KITTI's), or npy in that unit; 0 where there is none. A tenth
is held out, chosen by name. `--mode=predict` writes depth as PNG of 16 bits, in
millimetres, and in colours.

The variant `cpu` is for one core: of 500 unseen scenes 84.1 % of the pixels lie
within 1.25 (the aim, set before it had run, was 85), AbsRel 0.159 and RMSE
2.05 m, of floors that go on to 60 m; one seed, 1,500 steps. `:full` is for a
GPU, and was not run there yet.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.depth import DepthErrors
from vision_jax.models.segmentation.unet import UNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.depth import depth
from vision_jax.pipelines.segmentation import mask_augment
from vision_jax.pipelines.sources.depths import DepthData
from vision_jax.tasks.depth import Depth


def get_config():
  return base_config(
    steps=20_000,
    batch_size=32,
    eval_batch_size=25,
    log_every=100,
    eval_every=2000,
    save_every=2000,
    dataset="scenes",
    images="",
    depths="",
    depth_unit=0.001,
    scenes=(20_000, 200, 500),
    image_size=(128, 128),
    width=32,
    depth=5,
    patch=1,
    invariance=0.5,
    typical=6.0,
    flip=True,
    jitter=0.2,
    lr=1e-3,
    warmup=200,
    weight_decay=1e-2,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 8,
    "eval_batch_size": 8,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "scenes": (32, 8, 8),
    "image_size": (16, 16),
    "width": 4,
    "depth": 2,
    "warmup": 2,
  },
  "cpu": {
    "steps": 1500,
    "batch_size": 16,
    "eval_every": 500,
    "save_every": 500,
    "scenes": (4000, 200, 500),
    "image_size": (64, 64),
    "width": 16,
    "depth": 4,
    "patch": 2,
    "lr": 2e-3,
    "warmup": 100,
  },
}
ON_CPU = "cpu"


def build(config):
  model = UNet(
    1,
    width=config.width,
    depth=config.depth,
    patch=config.patch,
    remat=config.remat,
    dtype=config.dtype,
  )
  images, loading = DepthData.of(config), Loading.of(config)
  data = depth(
    train=images.train,
    evals=images.evals,
    image_size=config.image_size,
    unit=config.depth_unit,
    loading=loading,
    metrics={"depth": DepthErrors()},
    augment=mask_augment(
      flip=config.flip, jitter=config.jitter, colours=loading.colours
    ),
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Depth(model, typical=config.typical, balance=config.invariance),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    best=("val/abs_rel", "min"),
    **data.fields(),
  )
