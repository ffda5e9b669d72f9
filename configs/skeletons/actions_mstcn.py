"""A small MS-TCN that tells when skeletons do what (Abu Farha & Gall, 2019).

Figures as of `actions_stgcn.py` do one thing after the other: each frame has a
class. Evaluated are MoF, Edit and F1 at overlaps of 10, 25 and 50 %, and truth
and prediction are drawn as stripes. Frames that come one by one:
`--mode=stream --stream=JOINTS.npz` sees the last `--config.window` of them, and
says how long after a change it is found. Your own: `--config.dataset=npz
--config.data_dir=JOINTS.npz`, see `ClipFile`.
"""

from vision_jax.data.sources.skeletons import CLASS_NAMES
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.temporal import SegmentScores
from vision_jax.models.temporal.mstcn import MSTCN
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.skeletons import sequences
from vision_jax.pipelines.sources.moving import (
  MovingSkeletons,
  resolve_skeletons,
)
from vision_jax.tasks.temporal import TemporalSegmentation


def get_config():
  return base_config(
    steps=200,
    batch_size=16,
    eval_batch_size=100,
    log_every=50,
    eval_every=100,
    dataset="skeleton_sequences",
    clips=(400, 50, 100),
    frames=160,
    window=64,
    missing=0.05,
    class_names=CLASS_NAMES,
    stages=2,
    layers=6,
    features=32,
    dropout=0.2,
    smoothing=0.15,
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
    "frames": 48,
    "window": 16,
    "layers": 3,
    "features": 8,
    "warmup": 2,
  },
}


resolve = resolve_skeletons


def build(config):
  moving = MovingSkeletons.of(config)
  data = sequences(
    train=moving.train,
    evals=moving.evals,
    class_names=moving.names(),
    frames=config.window,
    loading=Loading.of(config),
    metrics={"segments": SegmentScores(len(moving.names()))},
  )
  net = MSTCN(
    len(moving.names()),
    stages=config.stages,
    layers=config.layers,
    features=config.features,
    dropout=config.dropout,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=TemporalSegmentation(net, smoothing=config.smoothing),
    optimizers={"model": adamw(schedule)},
    best=("val/edit", "max"),
    **data.fields(),
  )
