"""What reads scenes of two digits back: a classifier of each half.

Trained in memory on first use, apart from any generator, on scenes of the
training split that it alone sees. reader_steps: of that training.
"""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.data.sources.captioned_digits import (
  KINDS,
  CaptionedDigits,
  SceneHalves,
)
from vision_jax.experiment import Experiment
from vision_jax.layers.capture import apply_with_input
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.models.backbones.cnn import CNN
from vision_jax.ops.inputs import normalize
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.fit import fit
from vision_jax.tasks.classification import Classification

SEED = 1000  # apart from those of generators' runs
BATCH = 64
RATE, DECAY = 0.1, 5e-4
SCENES = 50_000


def scene_reader(steps: int, *, width: int = 32) -> Extractor:
  """Returns the reader, of scenes (b, h, w, c) in [-1, 1].

  Its logits are (b, 2, k), of what the left half shows and the right one, and
  its features what goes into its last layer, those of both halves.

  Args:
    steps: of its training.
    width: features of its first convolutions.
  """
  stages = ((width, width), (2 * width, 2 * width))
  task = Classification(CNN(len(KINDS), stages=stages))

  def apply(weights, image):
    params, stats = weights
    logits, features = apply_with_input(
      task.model,
      {"params": params["model"], **stats["model"]},
      jnp.concatenate(jnp.split(image, 2, axis=2)),
      layer="head",
      train=False,
    )
    side_by_side = lambda x: jnp.stack(jnp.split(x, 2), axis=1)
    both = side_by_side(features).reshape(len(image), -1)
    return {"features": both, "logits": side_by_side(logits)}

  def load():
    with _experiment(task, steps) as made:
      weights = fit(made, steps=steps, seed=SEED)
    scenes = CaptionedDigits("train", BATCH, seed=SEED).read(np.arange(BATCH))
    batch = {"image": np.stack([scene["image"] for scene in scenes])}
    seen = jax.jit(apply)(weights, normalize(*SIGNED)(batch)["image"])
    return weights, np.asarray(seen["features"]).mean(0)

  return Extractor("scene_reader", apply, load)


def _experiment(task: Classification, steps: int) -> Experiment:
  halves = SceneHalves(CaptionedDigits("train", SCENES, seed=SEED))
  loading = Loading(BATCH, BATCH, seed=SEED)
  rate = one_cycle(RATE, steps)
  return Experiment(
    task=task,
    optimizers={"model": sgd(rate, nesterov=True, weight_decay=DECAY)},
    train_data=loading.train(halves),
    evals={},
    inputs=normalize(*SIGNED),
  )
