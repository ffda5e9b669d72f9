"""A small MS-TCN that tells when skeletons do what (Abu Farha & Gall, 2019).

Figures as of `actions_stgcn.py` do one thing after the other: each frame has a
class. Evaluated are MoF, Edit and F1 at overlaps of 10, 25 and 50 %, and truth
and prediction are drawn as stripes. Frames that come one by one:
`--mode=stream --stream=JOINTS.npz` sees the last `--config.window` of them, and
says how long after a change it is found.

RESULT
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.temporal import SegmentScores
from vision_jax.models.temporal.mstcn import MSTCN
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.skeletons import sequences
from vision_jax.pipelines.sources.moving import MovingSkeletons
from vision_jax.tasks.temporal import TemporalSegmentation


def get_config():
  return base_config(
    steps=400,
    batch_size=16,
    eval_batch_size=100,
    log_every=50,
    eval_every=200,
    dataset="skeleton_sequences",
    clips=(800, 100, 200),
    frames=160,
    window=64,
    missing=0.05,
    stages=2,
    layers=6,
    features=32,
    dropout=0.2,
    smoothing=0.15,
    lr=3e-3,
    warmup=50,
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
