"""A small R3D that tells where digits move, and how fast (Tran et al., 2018).

Digits move over noise, to one of four sides at one of two speeds: eight
classes, of which no single frame says anything. Of each clip of
`--config.frames` the net sees `--config.window`, anywhere in training, else the
middle. Frames that come one by one: `--mode=stream --stream=VIDEO`. Your own:
`--config.dataset=npz --config.data_dir=CLIPS.npz`, see `ClipFile`.
"""

from vision_jax.data.sources.moving_digits import CLASS_NAMES
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.video.r3d import R3D
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.moving import MovingClips, resolve_clips
from vision_jax.pipelines.video import clips
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=300,
    batch_size=32,
    eval_batch_size=100,
    log_every=50,
    eval_every=100,
    dataset="moving_digits",
    class_names=CLASS_NAMES,
    clips=(2000, 200, 400),
    frames=7,
    window=6,
    image_size=20,
    channels=1,
    width=8,
    stages=(1, 1, 1),
    lr=3e-3,
    warmup=30,
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 16,
    "log_every": 10,
    "eval_every": 0,
    "clips": (64, 16, 16),
    "frames": 5,
    "window": 4,
    "image_size": 16,
    "width": 4,
    "stages": (1, 1),
    "warmup": 2,
  },
}


resolve = resolve_clips


def build(config):
  moving = MovingClips.of(config)
  data = clips(
    train=moving.train,
    evals=moving.evals,
    class_names=moving.names(),
    image_size=config.image_size,
    frames=config.window,
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy()},
  )
  net = R3D(
    len(moving.names()),
    stages=config.stages,
    width=config.width,
    stem="small",
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Classification(net),
    optimizers={"model": adamw(schedule)},
    best=("val/accuracy", "max"),
    **data.fields(),
  )
