"""Captioning: its losses, what it writes, and classes told in words."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.test_coca import small
from tests.oracles import library
from vision_jax.data.text.letters import decoded
from vision_jax.errors import UserError
from vision_jax.pipelines.captions import numbered
from vision_jax.tasks.captions import Captioning, spelled

KEY = jax.random.key(0)
WORDS = ("a", "red", "blue", "cat", "dog", "of")


def images(mask=(1, 1, 1)):
  image = np.random.default_rng(0).normal(size=(3, 8, 8, 3))
  return {
    "image": image.astype(np.float32),
    "tokens": np.int32([[0, 1, 3, 6], [0, 2, 4, 6], [1, 5, 0, 4]]),
    "mask": np.float32(mask),
    "index": np.arange(3),
  }


@functools.cache
def trained():
  """The task, and weights that are not small."""
  task = Captioning(small(), WORDS)
  shapes = jax.eval_shape(task.init, KEY, images())
  rng = np.random.default_rng(0)
  draw = lambda x: jnp.float32(rng.normal(size=x.shape) / 2)
  return task, *jax.tree.map(draw, shapes)


def test_numbers_are_spelled():
  tokens = jnp.int32([[0, 1, 3, 6], [6, 6, 6, 6], [1, 6, 2, 6]])
  found = [decoded(x) for x in spelled(WORDS, tokens)]
  assert found == ["a red cat", "", "red blue"]


@pytest.mark.slow
def test_the_captioning_loss_is_torchs():
  """Of all words and ends that count, alike; padding does not."""
  torch = library("torch")
  task, params, stats = trained()
  (objective,) = task.objectives
  assert objective.weights == {"contrastive": 1.0, "captioning": 2.0}
  loss = jax.jit(functools.partial(objective.loss, step=0, train=False))
  batch = images((1, 1, 0))
  terms, _ = loss(params, stats, batch, KEY)
  begun = np.pad(batch["tokens"], ((0, 0), (1, 0)), constant_values=6)
  net = task.net.given(params, stats)
  out = jax.jit(functools.partial(net, train=False))(batch["image"], begun)
  label = torch.tensor([[0, 1, 3, 6, -1], [0, 2, 4, 6, -1], [-1] * 5])
  expected = torch.nn.functional.cross_entropy(
    torch.tensor(np.asarray(out["logits"])).reshape(-1, 7),
    label.reshape(-1),
    ignore_index=-1,
  )
  got = terms["captioning"]
  assert got.count == 8 and terms["contrastive"].count == 2
  np.testing.assert_allclose(got.divide(), expected, rtol=1e-5)
  # What is masked changes neither term, whatever it is.
  other = images((1, 1, 0))
  other["image"][2], other["tokens"][2] = 9, [5, 5, 5, 5]
  again, _ = loss(params, stats, other, KEY)
  for name, term in terms.items():
    np.testing.assert_allclose(again[name].total, term.total, rtol=1e-6)


@pytest.mark.slow
def test_it_writes_compares_and_classifies():
  task, params, stats = trained()
  batch = images()
  out = jax.jit(task.pairs)(params, stats, batch, KEY)
  assert out["features"].shape == out["text_features"].shape == (3, 5)
  texts = [decoded(x).split() for x in out["text"]]
  assert all(len(x) <= 4 and {*x} <= {*WORDS} for x in texts)
  assert ((out["score"] > 0) & (out["score"] <= 1)).all()
  net = task.net.given(params, stats)
  begun = np.pad(batch["tokens"], ((0, 0), (1, 0)), constant_values=6)
  direct = jax.jit(functools.partial(net, train=False))(batch["image"], begun)
  for name, key in (("features", "image"), ("text_features", "text")):
    np.testing.assert_allclose(out[name], direct[key], atol=1e-5)
  prompts = numbered(task, ("cat", "dog"), ("a red {}", "a blue {}"))
  assert prompts.shape == (2, 2, 4) and prompts[1, 0].tolist() == [0, 1, 4, 6]
  found = jax.jit(task.classifier(prompts))(params, stats, batch, KEY)
  one = jax.jit(task.classifier(prompts[:, :1]))(params, stats, batch, KEY)
  # Example 0 is "a red cat", 1 is "a blue dog": of one prompt, their cosine.
  scale = direct["scale"]
  expected = scale * direct["image"] @ direct["text"][0]
  np.testing.assert_allclose(one["logits"][:, 0], expected, atol=1e-4)
  assert found["logits"].shape == (3, 2)
  assert np.abs(found["logits"] - one["logits"]).max() > 1e-3


def test_what_does_not_fit_is_refused():
  with pytest.raises(UserError, match="has 7 words; expected 6, those of the"):
    Captioning(small(), WORDS[:5])
  task = Captioning(small(), WORDS)
  with pytest.raises(UserError, match=r"got 'a dog'; expected {} where"):
    numbered(task, ("cat",), ("a dog",))
  with pytest.raises(
    UserError, match="prompts: 'a rad cat': has the word 'rad"
  ):
    numbered(task, ("cat",), ("a rad {}",))
