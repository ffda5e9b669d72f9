"""A GAN that is given words: they count in their order, and at places."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.models.generation.prompted_gan import (
  PromptedDiscriminator,
  PromptedGenerator,
)
from vision_jax.models.generation.word_canvas import WordCanvas
from vision_jax.models.text.tower import TextTower

TOWER = TextTower(6, 4, 8, 1, 2, causal=False, pooled="none")
WORDS = WordCanvas(TOWER, grid=(1, 2), features=3)
GENERATOR = PromptedGenerator(3, WORDS, latent=2, widths=(4, 4))
DISCRIMINATOR = PromptedDiscriminator(WORDS, widths=(4,))
TOKENS = np.array([[1, 2, 3, 0], [3, 2, 1, 0]], np.int32)
Z, IMAGE = np.ones((2, 2), np.float32), np.ones((2, 2, 4, 3), np.float32)


@functools.cache
def drawn(model):
  """A net's compiled function of weights, and random weights."""
  x = Z if model is GENERATOR else IMAGE
  init = functools.partial(model.init, train=False)
  shapes = jax.eval_shape(init, jax.random.key(0), x, TOKENS)
  rng = np.random.default_rng(0)
  fill = lambda x: jnp.asarray(0.5 * rng.normal(size=x.shape), x.dtype)
  weights = jax.tree.map(fill, shapes)
  weights["batch_stats"] = jax.tree.map(jnp.abs, weights.get("batch_stats", {}))
  run = jax.jit(lambda weights: model.apply(weights, x, TOKENS, train=False))
  return run, weights


@pytest.mark.parametrize("model", [GENERATOR, DISCRIMINATOR])
def test_the_order_of_words_counts(model):
  run, weights = drawn(model)
  found = np.asarray(run(weights))
  assert found.shape == ((2, 4, 8, 3) if model is GENERATOR else (2,))
  assert np.abs(found[0] - found[1]).max() > 1e-4


def test_an_image_fits_some_words_more_than_others():
  """A logit is that without words, and what features and words have alike."""
  run, weights = drawn(DISCRIMINATOR)
  none = jax.tree.map(jnp.zeros_like, weights["params"]["seen"])
  without = {**weights, "params": {**weights["params"], "seen": none}}
  plain, whole = run(without), run(weights)
  assert plain[0] == plain[1] and whole[0] != whole[1]


@pytest.mark.parametrize(
  ("model", "x", "tokens", "message"),
  [
    (GENERATOR, Z, None, "got no tokens; expected int"),
    (DISCRIMINATOR, IMAGE, None, "got no tokens; expected int"),
    (DISCRIMINATOR, IMAGE[:, :, :3], TOKENS, "expected .b, 2, 4, c"),
    (GENERATOR, Z, np.zeros((2, 5), np.int32), "texts of 5 tokens; expected 4"),
  ],
)
def test_what_does_not_fit_is_refused(model, x, tokens, message):
  init = functools.partial(model.init, train=False)
  with pytest.raises((UserError, ValueError), match=message):
    jax.eval_shape(init, jax.random.key(0), x, tokens)
