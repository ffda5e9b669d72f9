"""Dense, attention and positions: torch's numbers, and both forms alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.forms.choice import cpu_forms
from vision_jax.layers import dense
from vision_jax.layers.attention import Attention, attend, fits_cudnn
from vision_jax.layers.embeddings import resize_positions, sincos2d
from vision_jax.layers.pooling import MapHead


@pytest.mark.parametrize("c", [6, 7])
def test_dense_forms_agree(monkeypatch, c):
  monkeypatch.setattr(dense, "LARGE_ROWS", 8)
  x = jax.random.normal(jax.random.key(0), (4, 5, c))
  w = jax.random.normal(jax.random.key(1), (c, 3))
  weight = jax.random.normal(jax.random.key(2), (4, 5, 3))
  results = []
  for on in (True, False):
    with cpu_forms(on):
      y, pull = jax.vjp(dense.linear, x, w)
      results.append((y, *pull(weight)))
  for a, b in zip(*results, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
  ("on", "rows", "own"),
  [
    (True, dense.LARGE_ROWS, True),
    (True, 8, False),
    (False, dense.LARGE_ROWS, False),
  ],
)
def test_the_cpu_form_of_dense_is_used_where_it_is_large(on, rows, own):
  shapes = [jax.ShapeDtypeStruct(s, "float32") for s in ((2, rows, 4), (4, 2))]
  with cpu_forms(on):
    program = jax.make_jaxpr(lambda x, w: dense.linear(x, w))(*shapes)
  assert ("custom_vjp" in str(program)) == own


def test_attention_equals_torch():
  torch = library("torch")
  b, q, n, d, heads = 2, 5, 7, 12, 3
  x = jax.random.normal(jax.random.key(0), (b, q, d))
  context = jax.random.normal(jax.random.key(1), (b, n, d))
  kept = np.random.default_rng(0).random((b, n)) < 0.7
  kept[:, 0] = True
  model = Attention(heads)
  variables = model.init(jax.random.key(2), x, context)
  params = jax.tree.map(
    lambda a: a + 0.1 * jax.random.normal(jax.random.key(3), a.shape),
    variables["params"],
  )
  y = model.apply({"params": params}, x, context, mask=kept[:, None, None])
  t = lambda a: torch.tensor(np.asarray(a))
  layer = torch.nn.MultiheadAttention(d, heads, batch_first=True)
  names = ("query", "key", "value")
  layer.in_proj_weight.data = torch.cat(
    [t(params[m]["kernel"]).T for m in names]
  )
  layer.in_proj_bias.data = torch.cat([t(params[m]["bias"]) for m in names])
  layer.out_proj.weight.data = t(params["out"]["kernel"]).T
  layer.out_proj.bias.data = t(params["out"]["bias"])
  ty, _ = layer(t(x), t(context), t(context), key_padding_mask=~t(kept))
  np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_every_kernel_of_attention_agrees():
  q, k, v = jax.random.normal(jax.random.key(0), (3, 2, 6, 2, 8))
  mask = jnp.ones((1, 1, 6, 6), bool).at[..., 3].set(False)
  for m in (None, mask):
    xla = jax.nn.dot_product_attention(q, k, v, mask=m, implementation="xla")
    np.testing.assert_allclose(attend(q, k, v, m), xla, rtol=1e-5, atol=1e-5)


def test_when_cudnn_fits(monkeypatch):
  make = lambda n, d, dtype: jnp.zeros((1, n, 2, d), dtype)
  assert not fits_cudnn(
    make(8, 64, jnp.bfloat16), make(8, 64, jnp.bfloat16), None
  )
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  some = jnp.ones((1, 1, 1, 1), bool)
  for n, d, dtype, mask, expected in (
    (197, 64, jnp.bfloat16, None, True),
    (196, 64, jnp.float16, some, True),
    (197, 64, jnp.bfloat16, some, False),
    (196, 60, jnp.bfloat16, None, False),
    (196, 256, jnp.bfloat16, None, False),
    (196, 64, jnp.float32, None, False),
  ):
    x = make(n, d, dtype)
    assert fits_cudnn(x, x, mask) == expected, (n, d, dtype)


def test_attention_wants_heads_that_divide():
  with pytest.raises(ValueError, match=r"10 features and 3 heads"):
    Attention(3).init(jax.random.key(0), jnp.zeros((1, 2, 10)))


def test_map_head_ignores_the_order_of_tokens():
  x = jax.random.normal(jax.random.key(0), (3, 7, 8))
  y, variables = MapHead(2, 16).init_with_output(jax.random.key(1), x)
  assert y.shape == (3, 8)
  shuffled = MapHead(2, 16).apply(variables, x[:, ::-1])
  np.testing.assert_allclose(y, shuffled, rtol=1e-5, atol=1e-5)


def test_sincos_positions_by_their_formula():
  h, w, d = 3, 5, 16
  table = np.asarray(sincos2d((h, w), d))
  assert table.shape == (h * w, d)
  assert len(np.unique(table.round(5), axis=0)) == h * w
  y, x, i = 2, 4, 1
  omega = 10_000 ** -(i / 3)
  row = table[y * w + x]
  expected = [np.sin(x * omega), np.cos(x * omega)]
  expected += [np.sin(y * omega), np.cos(y * omega)]
  np.testing.assert_allclose(row[i::4], expected, rtol=1e-5)
  with pytest.raises(ValueError, match="multiple of 4"):
    sincos2d((2, 2), 6)


@pytest.mark.parametrize("new", [(9, 12), (4, 3), (6, 7)])
def test_resizing_positions_equals_torch(new):
  torch = library("torch")
  old, d = (6, 7), 5
  table = jax.random.normal(jax.random.key(0), (1 + 42, d))
  resized = resize_positions(table, old, new, extra=1)
  grid = np.asarray(table[1:]).reshape(1, *old, d).transpose(0, 3, 1, 2)
  expected = torch.nn.functional.interpolate(
    torch.tensor(grid.copy()), new, mode="bilinear", antialias=True
  )
  expected = expected.numpy()[0].transpose(1, 2, 0).reshape(-1, d)
  np.testing.assert_array_equal(resized[0], table[0])
  np.testing.assert_allclose(resized[1:], expected, rtol=1e-4, atol=1e-5)


def test_resizing_a_table_of_another_size():
  with pytest.raises(ValueError, match=r"10 rows; expected 1 \+ 3 x 4 = 13"):
    resize_positions(jnp.zeros((10, 4)), (3, 4), (6, 8), extra=1)
