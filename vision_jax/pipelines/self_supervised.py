"""Self-supervision: images in, labels for what measures features alone."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Augment, Batch, Nets, Output
from vision_jax.data.source import Source, gathers
from vision_jax.data.subsets import subset
from vision_jax.data.transforms.base import Transform
from vision_jax.experiment import Eval, Predict
from vision_jax.layers.conv import global_average
from vision_jax.metrics.linear_probe import LinearProbe
from vision_jax.metrics.neighbours import NearestNeighbours
from vision_jax.metrics.spread import Spread
from vision_jax.ops import augment
from vision_jax.ops.augment.turns import turned_classes
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import Colours
from vision_jax.pipelines.data import Data, Loading
from vision_jax.tasks.net import OneNet

# Of a window, as torchvision's RandomResizedCrop has it.
RATIO = (3 / 4, 4 / 3)
TEMPERATURE = 0.07  # DINO's, of a neighbour's vote


def self_supervised(
  *,
  train: Source,
  evals: Mapping[str, Source],
  beside: Mapping[str, Output],
  crop: Transform,
  loading: Loading,
  colours: Colours,
  examples: int,
  output: Output | None = None,
  metrics: Mapping[str, object] | None = None,
) -> Data:
  """Returns what an experiment takes, of sources of images with labels.

  Each evaluation freezes the features and measures `linear`, a ridge regression
  to the labels in closed form; `knn`, the vote of the 20 nearest; and `spread`,
  which falls to 0 where features collapse. Those of "val" are fitted to some
  images of train, all along training; the others to all of train, at its end.

  Args:
    train: a `ReadSource` or `GatherSource`.
    evals: name -> such a source.
    beside: name -> what else gives `features` (b, d) of them, to be compared
      with at the end, as `EVAL_NAME/metric`.
    crop: makes a decoded image the net's size.
    loading: how examples become batches.
    colours: mean and standard deviation of a channel.
    examples: of train, evenly, that "val" is compared with.
    output: gives `features`; the task's own where it is None.
    metrics: more of them, by name.
  """
  whole = [loading.decode(), crop]
  steps = lambda source: [] if gathers(source) else whole
  measured = dict(metrics or {})
  measured["linear"] = LinearProbe()
  measured["knn"] = NearestNeighbours(temperature=TEMPERATURE)
  measured["spread"] = Spread()

  def frozen(name: str, made: Output | None, costly: bool) -> Eval:
    known = train if costly else some(train, examples)
    return Eval(
      loading.evaluation(evals[name], steps(evals[name])),
      measured,
      output=made,
      costly=costly,
      losses=False,
      reference=loading.evaluation(known, steps(known)),
    )

  found = {name: frozen(name, output, name != "val") for name in evals}
  last = [name for name in evals if name != "val"]
  for other, made in beside.items():
    found |= {f"{name}_{other}": frozen(name, made, True) for name in last}
  return Data(
    train_data=loading.train(train, steps(train)),
    evals=found,
    inputs=normalize(*colours),
    predict=Predict(whole, show_bands=loading.shown),
  )


def some(source: Source, number: int) -> Source:
  """Returns `number` examples of a source, evenly over it; all if it has less.

  Classes that follow one another have their shares.
  """

  def evenly() -> np.ndarray:
    n = len(source)
    return np.unique(np.linspace(0, n - 1, min(number, n)).astype(np.int64))

  return subset(source, evenly)


def view(
  colours: Colours,
  *,
  crop: Sequence[float] = (0.2, 1.0),
  jitter: float = 0.5,
  gray: float = 0.2,
) -> Augment:
  """Returns SimCLR's augmentation: crop, flip, colours, and none of them.

  A window is interpolated linearly; one that does not fit shows the mean of the
  colours beside the image. Images are not blurred, as none of CIFAR are.

  Args:
    colours: mean and standard deviation by which images were normalised.
    crop: (smallest, largest) area of the window, as a part of the image's.
    jitter: strength of the colours' change, of four images in five.
    gray: how often colours are left out.
  """
  white = augment.normalized_range(*colours)
  strengths = (0.8 * jitter, 0.8 * jitter, 0.8 * jitter, 0.2 * jitter)
  return augment.sequence(
    augment.random_affine(crop=tuple(crop), ratio=RATIO),
    augment.random_flip(),
    augment.color_jitter(*strengths, value_range=white, probability=0.8),
    augment.random_gray(gray, value_range=white),
  )


def untrained(task: OneNet, seed: int, **options: bool) -> Output:
  """Returns what gives `features` by the same net with initial weights.

  It has seen no image whose moments BatchNorm would run on, so that they are of
  the batch itself: features are then as well scaled as a trained net's.

  Args:
    task: its net gives `features`, or maps, of which the last is averaged.
    seed: of the weights.
    **options: of the net, such as features=True for its maps.
  """

  def output(params: Nets, stats: Nets, batch: Batch, key: Array) -> dict:
    own = task.init(jax.random.key(seed), batch)
    out, _ = task.net.run(
      *(*own, batch["image"]),
      key=key,
      train=True,
      mask=batch["mask"],
      **options,
    )
    return {"features": _features(out)}

  return output


def pooled(task: OneNet) -> Output:
  """Returns what gives a backbone's `features` beside what its task predicts.

  They are its last map's average, which goes into the head.
  """

  def output(params: Nets, stats: Nets, batch: Batch, key: Array) -> dict:
    net = task.net.given(params, stats)
    found = _features(net(batch["image"], train=False, features=True))
    return {**task.predict(params, stats, batch, key), "features": found}

  return output


def turned() -> Augment:
  """Returns what turns images by quarters, of which the label is the number."""
  turn = turned_classes(1)

  def augmented(batch: Batch, key: Array) -> Batch:
    return turn({**batch, "label": jnp.zeros_like(batch["label"])}, key)

  return augmented


def _features(out: dict[str, Array]) -> Array:
  return (
    out["features"]
    if "features" in out
    else global_average([*out.values()][-1])
  )
