"""Seeds: all of 32 bits, and nothing that would wrap around to another."""

import types

import jax
import numpy as np
import pytest

from vision_jax.core.seeds import make_key
from vision_jax.data.order import Order, shuffled
from vision_jax.data.sources.scenes import DigitScenes
from vision_jax.data.subsets import split_train
from vision_jax.errors import UserError
from vision_jax.metrics import generation_distances as distances
from vision_jax.train.initial import state_maker


@pytest.mark.parametrize("seed", [-1, 2**32, 2**40])
def test_a_seed_outside_of_32_bits_is_refused(seed):
  with pytest.raises(UserError, match=f"got {seed}; expected 0 to 4294967295"):
    make_key(seed)
  with pytest.raises(UserError, match=f"got {seed}; expected 0 to 4294967295"):
    Order(10, seed, shuffled(10))
  with pytest.raises(UserError, match=f"got {seed}; expected 0 to 4294967295"):
    DigitScenes("train", seed=seed)
  with pytest.raises(UserError, match=f"got {seed}; expected 0 to 4294967295"):
    split_train(None, 0.1, seed)
  experiment = types.SimpleNamespace(initial_state=lambda *_: None)
  with pytest.raises(UserError, match=f"got {seed}"):
    state_maker(experiment, None, seed)()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_metrics_of_drawn_parts_check_their_seed(seed):
  x = np.zeros((4, 2))
  draws = (
    lambda: distances.kernel_distance(x, x, subset_size=2, seed=seed),
    lambda: distances.inception_score(x, splits=2, seed=seed),
  )
  for draw in draws:
    with pytest.raises(UserError, match=f"seed: got {seed}"):
      draw()


def test_the_largest_seed_has_its_own_key():
  data = [np.asarray(jax.random.key_data(make_key(s))) for s in (0, 2**32 - 1)]
  assert (data[0] != data[1]).any()
