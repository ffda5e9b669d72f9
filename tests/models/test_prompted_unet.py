"""A denoiser with a text tower: words count in their order, and at places."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.prompted_unet import PromptedUNet
from vision_jax.models.generation.word_canvas import WordCanvas
from vision_jax.models.text.tower import TextTower

UNET = DDPMUNet(
  width=8, multipliers=(1,), blocks=1, attention=(), groups=4, patch=2
)
TOWER = TextTower(6, 4, 8, 1, 2, causal=False, pooled="none")
NET = PromptedUNet(UNET, WordCanvas(TOWER, grid=(1, 2), features=3))
IMAGE = np.zeros((2, 4, 8, 1), np.float32)
TOKENS = np.array([[1, 2, 3, 0], [3, 2, 1, 0]], np.int32)


@functools.cache
def drawn():
  """What it gives for two orders of the same words, by random weights."""
  run = functools.partial(NET.apply, train=False)
  shapes = jax.eval_shape(
    functools.partial(NET.init, train=False),
    *(jax.random.key(0), IMAGE, np.zeros(2), TOKENS),
  )
  rng = np.random.default_rng(0)
  fill = lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype)
  weights = jax.tree.map(fill, shapes)
  return np.asarray(jax.jit(run)(weights, IMAGE, np.zeros(2), TOKENS))


def test_the_order_of_words_counts():
  """A bag of them would give the same."""
  assert drawn().shape == IMAGE.shape
  assert np.abs(drawn()[0] - drawn()[1]).max() > 1e-3


def test_places_find_different_things():
  left, right = np.split(drawn(), 2, axis=2)
  # Of an image without anything, mirrored, only places tell the halves apart.
  assert np.abs(left - right[:, :, ::-1]).max() > 1e-3


@pytest.mark.parametrize(
  ("image", "tokens", "message"),
  [
    ((2, 4, 7, 1), TOKENS, "got 4 x 7; expected sides that the grid 1 x 2"),
    ((2, 4, 8, 1), None, "got no tokens; expected int"),
    ((2, 4, 8, 1), np.zeros((2, 5), np.int32), "texts of 5 tokens; expected 4"),
  ],
)
def test_what_does_not_fit_is_refused(image, tokens, message):
  init = functools.partial(NET.init, train=False)
  with pytest.raises(UserError, match=message):
    jax.eval_shape(init, jax.random.key(0), np.zeros(image), None, tokens)
