"""Digits drawn from words, by a text encoder that is trained along."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  EXECUTIONS,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.digits import Digits
from vision_jax.inference.sample import sample_folder
from vision_jax.ops import diffusion
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.tasks.condition_tokens import TokenCondition, Words
from vision_jax.tasks.diffusion import Diffusion

NAMES = (
  *("zero", "one", "two", "three", "four"),
  *("five", "six", "seven", "eight", "nine"),
)
TEXT = TokenCondition(2, Words(("digit", *NAMES)))


class Spelled(nn.Module):
  """A denoiser of dense layers, and beside it what reads the words."""

  @nn.compact
  def __call__(self, x, t, tokens, *, train, mask=None):
    text = nn.Embed(12, 16, name="words")(tokens).mean(1)
    level = jnp.cos(t[:, None] * jnp.array([0.03, 0.06]))
    y = jnp.concatenate([x.reshape(len(x), -1), text, level], -1)
    y = jax.nn.relu(nn.Dense(64, name="hidden")(y))
    return nn.Dense(64, name="head")(y).reshape(x.shape)


def drawn_from_words():
  arrays = Digits("train").arrays
  texts = [TEXT.read(f"digit {NAMES[k]}") for k in arrays["label"]]
  source = ArraySource({"image": arrays["image"], "tokens": np.stack(texts)})
  return digits(
    Diffusion(Spelled(), diffusion.cosine(50), "v", condition=TEXT),
    train_data=Loader(source, [], 16),
    inputs=normalize(*SIGNED),
    augment=None,
  )


def test_words_and_guidance_change_what_is_drawn(tmp_path):
  weights = train(drawn_from_words).state.weights()

  def draw(name, prompt, **options):
    folder = tmp_path / name
    sample_folder(
      *(
        drawn_from_words(),
        weights,
        EXECUTIONS["one"](),
        (16, 8, 8, 1),
        folder,
      ),
      **{"num_samples": 4, "steps": 4, "prompt": prompt} | options,
    )
    return dict(np.load(folder / "samples.npz"))

  drawn = draw("a", "digit three|digit one")
  np.testing.assert_array_equal(drawn["tokens"], [[1, 5], [1, 3]] * 2)
  other = draw("b", "digit three|digit two")["image"] != drawn["image"]
  assert not other[::2].any() and other[1::2].any()
  guided = draw("c", "digit three|", guidance=3.0)["image"] != drawn["image"]
  assert guided[::2].any()


@pytest.mark.parametrize(
  "where",
  ["pmap", *(pytest.param(x, marks=pytest.mark.slow) for x in ("jit", "fsdp"))],
)
def test_it_is_the_same_everywhere(where):
  assert_equal_everywhere(drawn_from_words, [where])


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(drawn_from_words, tmp_path)
