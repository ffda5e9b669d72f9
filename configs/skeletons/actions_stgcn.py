"""A small ST-GCN that tells what skeletons do (Yan et al., 2018).

Figures of eleven joints stand, walk, wave, squat, kick, or open arms and legs,
each in a tempo of its own; `--config.missing` of the joints were not seen, and
are masked. Frames that come one by one: `--mode=stream --stream=JOINTS.npy`, an
array (frames, 11, 2), NaN for a joint that is missing. Your own:
`--config.dataset=npz --config.data_dir=JOINTS.npz`, see `ClipFile`.
"""

from vision_jax.data.sources.poses import CENTRE, EDGES
from vision_jax.data.sources.skeletons import CLASS_NAMES
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.skeletons.stgcn import STGCN
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.skeletons import actions
from vision_jax.pipelines.sources.moving import (
  MovingSkeletons,
  resolve_skeletons,
)
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=200,
    batch_size=32,
    eval_batch_size=100,
    log_every=50,
    eval_every=100,
    dataset="skeleton_actions",
    clips=(1000, 200, 400),
    frames=32,
    window=24,
    missing=0.05,
    class_names=CLASS_NAMES,
    edges=EDGES,
    centre=CENTRE,
    width=16,
    temporal_kernel=5,
    dropout=0.1,
    lr=3e-3,
    warmup=20,
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
    "frames": 12,
    "window": 8,
    "width": 4,
    "warmup": 2,
  },
}


resolve = resolve_skeletons


def build(config):
  moving = MovingSkeletons.of(config)
  data = actions(
    train=moving.train,
    evals=moving.evals,
    class_names=moving.names(),
    frames=config.window,
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy()},
  )
  w = config.width
  net = STGCN(
    len(moving.names()),
    tuple(map(tuple, config.edges)),
    config.centre,
    layers=((w, 1), (w, 1), (2 * w, 2), (2 * w, 1)),
    kernel=config.temporal_kernel,
    dropout=config.dropout,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Classification(net, sees="joints"),
    optimizers={"model": adamw(schedule)},
    best=("val/accuracy", "max"),
    **data.fields(),
  )
