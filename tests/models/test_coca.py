"""CoCa: causal, blind to padding, and as large as by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.models.backbones.vit import ViT
from vision_jax.models.captions.coca import CoCa

KEY = jax.random.key(0)
END = 6
TOKENS = np.int32([[6, 0, 1, 2, 6], [6, 5, 4, 3, 2]])


def small(**fields):
  sizes = {"features": 8, "layers": 1, "decoder_layers": 2, "heads": 2}
  image = ViT(0, 4, 8, 1, 2, 2, head="tokens")
  return CoCa(
    image, 7, 4, hidden=16, queries=3, embedding=5, **(sizes | fields)
  )


@functools.cache
def made():
  """(tokens, image) -> outputs, of weights that are not small."""
  model = small()
  rng = np.random.default_rng(0)
  draw = lambda x: jnp.float32(rng.normal(size=x.shape) / 2)
  image = draw(np.zeros((2, 8, 8, 3)))
  init = functools.partial(model.init, train=False)
  shapes = jax.eval_shape(init, KEY, image, TOKENS)
  variables = jax.tree.map(draw, shapes)
  run = jax.jit(functools.partial(model.apply, variables, train=False))
  return lambda tokens: run(image, tokens)


@pytest.mark.slow
def test_a_word_does_not_see_those_after_it():
  changed = TOKENS.copy()
  changed[:, 3:] = 0
  a, b = (made()(x) for x in (TOKENS, changed))
  np.testing.assert_allclose(a["logits"][:, :3], b["logits"][:, :3], atol=1e-6)
  assert np.abs(a["logits"][:, 3:] - b["logits"][:, 3:]).max() > 1e-3
  assert np.abs(a["text"] - b["text"]).min(1).max() > 1e-4  # it sees all
  np.testing.assert_array_equal(a["image"], b["image"])


@pytest.mark.slow
def test_padding_changes_nothing():
  whole, cut = made()(TOKENS), made()(TOKENS[:, :4])
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
  close(whole["text"][0], cut["text"][0])
  assert np.abs(whole["text"][1] - cut["text"][1]).max() > 1e-4
  close(whole["logits"][0, :4], cut["logits"][0, :4])
  for name in ("image", "text"):
    length = np.linalg.norm(whole[name], axis=1)
    np.testing.assert_allclose(length, 1, atol=1e-6)


def test_parameters_by_hand():
  """And all that the decoders share: one table, one head."""
  shapes = jax.eval_shape(
    lambda key: small().init(
      key, jnp.zeros((1, 8, 8, 3)), jnp.asarray(TOKENS[:1]), train=False
    ),
    KEY,
  )["params"]
  sizes = {
    k: sum(x.size for x in jax.tree.leaves(v)) for k, v in shapes.items()
  }
  d, k, n, e, hidden = 8, 7, 4, 5, 16
  attention, norm = 4 * (d * d + d), 2 * d
  mlp = 2 * d * hidden + hidden + d
  block = attention + mlp + 2 * norm
  pool = lambda queries: queries * d + attention + 2 * norm
  tokens = (8 // 4) ** 2
  expected = {
    "image": 4 * 4 * 3 * d + d + tokens * d + block + norm,
    "pool": pool(3),
    "pool_image": pool(1),
    "words": k * d,
    "positions": (n + 1) * d,
    "cls": d,
    "text_0": block,
    "text_norm": norm,
    "decoder_0": block + attention + norm,
    "decoder_1": block + attention + norm,
    "decoder_norm": norm,
    "head": d * k + k,
    "image_projection": d * e,
    "text_projection": d * e,
    "logit_scale": 1,
  }
  assert sizes == expected


@pytest.mark.slow
def test_the_papers_base_size():
  """CoCa-Base of the paper has 383M: 86M of the image, 297M of the rest.

  By its table 1, without poolers and projections; a vocabulary of 64,000 words
  and texts of 64.
  """
  image = ViT(0, 18, 768, 12, 12, head="tokens")
  model = CoCa(image, 64_000, 64)
  shapes = jax.eval_shape(
    lambda key: model.init(
      key,
      jnp.zeros((1, 288, 288, 3)),
      jnp.zeros((1, 65), jnp.int32),
      train=False,
    ),
    KEY,
  )["params"]
  count = lambda x: sum(y.size for y in jax.tree.leaves(x)) / 1e6
  assert round(count(shapes["image"])) == 86
  names = ("words", "positions", "cls", "text", "decoder", "head")
  text = [
    x
    for k, x in shapes.items()
    if k.startswith(names) and k != "text_projection"
  ]
  assert round(count(text)) == 297
