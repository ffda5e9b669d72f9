"""Training at two sizes: a step for each, one run."""

import contextlib
import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
  result,
  train,
)
from tests.programs.command import ROOT, assert_same
from vision_jax.core.execution import Jit
from vision_jax.data.loader import Loader
from vision_jax.data.sources.digits import Digits
from vision_jax.data.sources.scenes import DigitScenes
from vision_jax.data.together import Sizes
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.image import resize
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import BatchNorm
from vision_jax.optim.optimizers import sgd
from vision_jax.recipe import recipe
from vision_jax.tasks.classification import Classification
from vision_jax.train.runs import run
from vision_jax.train.timing import MOST_SHAPES, Programs

DETR = ROOT / "configs/detection/digit_scenes_detr.py"
SMALL = {"queries": "learned", "num_queries": "4", "decoder_layers": "1"}
SEED = 1  # small, large, small, ...


class Pooled(nn.Module):
  """A net whose parameters fit images of any size."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    x = Conv(16, name="conv")(x)
    x = BatchNorm(name="norm")(x, train=train, mask=mask)
    return nn.Dense(10, name="head")(jax.nn.relu(x).mean((1, 2)))


def loader(source, size):
  """Scenes or digits of one size, in batches of 16."""
  keys = keep("image", "label", "boxes", "box_mask")
  return Loader(source, [resize((size, size)), keys], 16)


def classifier():
  make = functools.partial(loader, Digits("train"))
  data = Sizes(make, (8, 12), seed=SEED)
  return digits(Classification(Pooled()), train_data=data)


def detector():
  experiment = recipe.load(f"{DETR}:tiny", SMALL).build()
  source = _Untargeted(DigitScenes("train", 64, max_objects=3))
  data = Sizes(functools.partial(loader, source), (32, 48), seed=SEED)
  return dataclasses.replace(
    experiment,
    train_data=data,
    evals={},
    optimizers={"model": sgd(lambda step: 1e-3)},
  )


class _Untargeted:
  """Scenes without their target, which a resized image would not fit."""

  def __init__(self, source):
    self.source = source

  def __len__(self):
    return len(self.source)

  def fingerprint(self):
    return self.source.fingerprint()

  def read(self, indices):
    drop = keep("image", "label", "boxes", "box_mask")
    return [drop(example, None) for example in self.source.read(indices)]


def sides(experiment, steps=3):
  with experiment.train_data as data:
    return [data.batch(i)["image"].shape[1] for i in range(steps)]


@pytest.mark.parametrize(
  "make, sizes",
  [
    (classifier, (8, 12)),
    pytest.param(detector, (32, 48), marks=pytest.mark.slow),
  ],
)
def test_it_trains_at_two_sizes(make, sizes, capsys):
  small, large = sizes
  experiment = make()
  assert sides(experiment) == [small, large, small]
  execution = Jit(devices=jax.devices()[:1])
  outcome = run(experiment, steps=3, batch_size=16, execution=execution)
  assert np.isfinite(outcome.metrics["train/loss"])
  lines = capsys.readouterr().err.splitlines()
  first, second = (x.split("  ")[1] for x in lines if "compil" in x)
  assert first == "compiling ..."
  another = f"compiling for another shape, image 16x{large}x{large}x"
  assert second.startswith(another)


@pytest.mark.parametrize(
  "accumulate", [1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_it_comes_to_what_separate_steps_come_to(accumulate):
  assert sides(classifier()) == [8, 12, 8]
  got = result(train(classifier, accumulate=accumulate))
  experiment, execution = classifier(), Jit(devices=jax.devices()[:1])
  with experiment:
    batches = [experiment.train_data.batch(i) for i in range(3)]
  make = lambda: experiment.initial_state(jax.random.key(0), batches[0])
  state = execution.init(make)
  step = jax.jit(experiment.train_step(accumulate=accumulate))
  for batch in batches:
    state, _ = step(state, batch)
  params = {k: x for k, x in got.items() if k.startswith("params/")}
  names = jax.tree_util.tree_leaves_with_path({"params": state.params})
  expected = {
    jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(x)
    for path, x in names
  }
  assert_same(params, expected, rounding=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [classifier, detector])
@pytest.mark.parametrize("execution", ["jit", "fsdp", "pmap"])
def test_it_is_the_same_everywhere(make, execution):
  assert_equal_everywhere(make, [execution], rounding=1e-3)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(classifier, tmp_path)


def test_a_step_has_a_program_for_each_shape():
  calls = []

  @jax.jit
  def step(state, batch, fixed):
    calls.append(batch["image"].shape)
    return state + batch["image"].sum(), fixed

  shown = []

  @contextlib.contextmanager
  def pause(doing):
    shown.append(doing)
    yield

  programs = Programs(step, 1, pause)
  batch = lambda n: {"image": jnp.ones((1, n)), "mask": jnp.ones(1)}
  for n in (*range(1, MOST_SHAPES + 1), 3):
    args = (jnp.zeros(()), batch(n), ())
    programs.compile(*args)
    assert programs(*args)[0] == n
  assert shown[:2] == ["compiling", "compiling for another shape, image 1x2"]
  assert len(calls) == MOST_SHAPES
  assert programs.metrics.keys() == {"time/compile_s", "time/compile_cached"}
  with pytest.raises(UserError, match=r"17th shape, image 1x17; expected 16"):
    programs.compile(jnp.zeros(()), batch(MOST_SHAPES + 1), ())
