"""Where a detector does not learn: whether it can one image by heart, then 32.

A detector that cannot learn one image by heart has an error in its losses,
matching or boxes; one that learns an image and not 32 confuses examples, or its
queries cannot tell where they are.
"""

import jax
import numpy as np
import pytest

from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.data.sources.scenes import DigitScenes
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.detr import Detr
from vision_jax.models.detection.two_stage_detr import TwoStageDetr
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import one_cycle
from vision_jax.tasks.detection import Detection


def scenes(count):
  """Digit scenes of 32 x 32 as one batch."""
  source = DigitScenes("train", count, size=32, max_objects=3)
  examples = source.read(np.arange(count))
  keys = ("image", "boxes", "label", "box_mask")
  batch = {k: np.stack([e[k] for e in examples]) for k in keys}
  batch["image"] = batch["image"].astype(np.float32) / 127.5 - 1
  index = np.arange(count, dtype=np.int32)
  return batch | {"mask": np.ones(count, np.float32), "index": index}


def small(queries):
  """A DETR that sees 32 x 32 pixels as 8 x 8 tokens."""
  model = (Detr if queries == "learned" else TwoStageDetr)(
    10,
    ResNet(0, (1, 1), False, 32, zero_init=False),
    levels=("c2",),
    num_queries=12,
    features=64,
    heads=4,
    hidden=128,
    dropout=0.0,
    encoder_layers=1,
    decoder_layers=2,
    background=queries == "learned",
  )
  return Detection(model)


def fit(task, batch, steps, rate, parts=1):
  """Trains on the batch, a part at a time; returns parameters and stats."""
  optimizers = {"model": adamw(one_cycle(rate, steps), clip=1.0)}
  size = len(batch["mask"]) // parts
  first = {k: v[:size] for k, v in batch.items()}
  state = jax.jit(
    lambda: create_state(task, optimizers, jax.random.key(0), first)
  )()
  step = jax.jit(make_train_step(task, optimizers), donate_argnums=0)
  for i in range(steps):
    rows = np.random.default_rng(i).permutation(len(batch["mask"]))[:size]
    state, _ = step(state, {k: v[rows] for k, v in batch.items()})
  return state.params, state.stats


def metrics(task, weights, batch):
  metric = AveragePrecision("0123456789", per_class=False)
  out = jax.jit(task.predict)(*weights, batch, jax.random.key(0))
  _, rows = metric.measure((), out, batch)
  return metric.result({}, jax.device_get(rows) | {"index": batch["index"]})


@pytest.mark.slow
@pytest.mark.parametrize("queries", ["learned", "encoder"])
def test_one_image_is_learned_by_heart(queries):
  task, batch = small(queries), scenes(1)
  got = metrics(task, fit(task, batch, 150, 1e-3), batch)
  assert got["ap50"] > 0.99, got


@pytest.mark.slow
def test_32_scenes_are_learned_by_heart():
  task, batch = small("encoder"), scenes(32)
  got = metrics(task, fit(task, batch, 300, 2e-3, parts=2), batch)
  assert got["ap50"] >= 0.9, got
