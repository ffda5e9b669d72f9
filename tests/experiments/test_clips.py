"""A classifier of clips of moving digits, through crops and flips."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  BATCH,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.data.groups import clips
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.digits import Digits
from vision_jax.data.transforms.crops import centre_crop
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import BatchNorm
from vision_jax.ops.augment import random_crop, random_flip, sequence
from vision_jax.optim.optimizers import sgd
from vision_jax.tasks.classification import Classification

VIDEOS, FRAMES, LENGTH = 40, 5, 3


class Video(nn.Module):
  """Sees single frames, and differences between them."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    b, t, h, w, c = x.shape
    moved = jnp.concatenate([x[:, 1:], x[:, 1:] - x[:, :-1]], -1)
    x = Conv(16, name="conv")(moved.reshape(b * (t - 1), h, w, 2 * c))
    mask = None if mask is None else jnp.repeat(mask, t - 1)
    x = jax.nn.relu(BatchNorm(name="norm")(x, train=train, mask=mask))
    x = x.mean((1, 2)).reshape(b, t - 1, -1).mean(1)
    return nn.Dense(10, name="head")(x)


def moving():
  """Digits on a canvas of 10 x 14 that move to the right, a pixel a frame."""
  found = Digits("train").arrays
  image = np.zeros((VIDEOS, FRAMES, 10, 14, 1), np.uint8)
  for t in range(FRAMES):
    image[:, t, 1:9, 1 + t : 9 + t] = found["image"][:VIDEOS]
  label = np.repeat(found["label"][:VIDEOS], FRAMES)
  arrays = {"image": image.reshape(-1, 10, 14, 1), "label": label}
  videos = np.repeat(np.arange(VIDEOS), FRAMES)
  return clips(ArraySource(arrays, 10), LENGTH, videos=videos)


def loader():
  return Loader(moving(), [centre_crop((10, 12))], BATCH, seed=1)


def classifier():
  augment = sequence(random_crop(1), random_flip())
  task = Classification(Video())
  optimizers = {"model": sgd(lambda step: 0.5)}
  return digits(
    task, train_data=loader(), augment=augment, optimizers=optimizers
  )


def test_clips_are_made_cropped_and_flipped():
  experiment = classifier()
  with experiment:
    batch = experiment.train_data.batch(0)
  assert batch["image"].shape == (BATCH, LENGTH, 10, 12, 1)
  new = np.asarray(experiment.augment(batch, jax.random.key(0))["image"])
  assert new.shape == batch["image"].shape
  # The centre of mass moves a pixel a frame: to the left where it is flipped.
  ink = new[..., 0].astype(float).sum(2)
  whole = np.asarray(batch["image"])[..., 0].sum((2, 3))
  kept = (ink.sum(2) == whole).all(1)  # no crop has cut the digit
  centre = (ink * np.arange(12)).sum(2) / ink.sum(2)
  steps = np.diff(centre[kept], axis=1)
  np.testing.assert_allclose(np.abs(steps), 1)
  np.testing.assert_allclose(steps[:, 0], steps[:, 1])
  assert 0 < (steps[:, 0] < 0).mean() < 1


def test_it_learns_a_little():
  loss = train(classifier, steps=100).metrics["train/loss"]
  assert loss < 0.8 * np.log(10)  # that of equal probs


@pytest.mark.parametrize(
  "execution",
  [
    "pmap",
    pytest.param("jit", marks=pytest.mark.slow),
    pytest.param("fsdp", marks=pytest.mark.slow),
  ],
)
def test_it_is_the_same_everywhere(execution):
  assert_equal_everywhere(classifier, [execution], rounding=1e-4)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(classifier, tmp_path)
