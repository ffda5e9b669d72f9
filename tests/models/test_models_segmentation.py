"""U-Net, FCN and SegNet: sizes, torch's numbers, both forms alike."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.marks import with_slow
from tests.oracles import library
from vision_jax.forms.choice import cpu_forms
from vision_jax.layers.upsample import (
  bilinear_init,
  max_pool_with_index,
  max_unpool,
  transposed,
)
from vision_jax.models.count import parameters
from vision_jax.models.segmentation import fcn, unet_sizes
from vision_jax.models.segmentation.espnet import ESPNet
from vision_jax.models.segmentation.segnet import SegNetBasic
from vision_jax.models.segmentation.unet import UNet

RNG = np.random.default_rng(0)
THIN = ((4,), (4,), (4,), (6,), (6,))
PAPER_UNET = functools.partial(UNet, padding="valid", norm=False)
# VGG-16's convolutions, fc6, fc7; then what a score layer and an upsampling of
# k classes add.
VGG = 14_714_688 + (49 * 512 + 1) * 4096 + (4096 + 1) * 4096
SCORES = {"fr": 4097 * 21, "pool4": 513 * 21, "pool3": 257 * 21}
SIZES = {
  # Ronneberger et al.: 31.0 million; by the layers' sizes.
  "unet": (PAPER_UNET(2), (1, 572, 572, 1), 31_030_658),
  # milesial/Pytorch-UNet, transposed: 3 channels, 1 class.
  "unet_bn": (UNet(1), (1, 64, 64, 3), 31_037_633),
  # Badrinarayanan et al., table 1: 1.425 million.
  "segnet_basic": (
    SegNetBasic(11),
    (1, 32, 32, 3),
    49 * 64 * (3 + 7 * 64) + 8 * 128 + 65 * 11,
  ),
  # Long et al., table 2: 134 million; 134.5 with all scores.
  "fcn32s": (
    fcn.FCN32s(21),
    (1, 32, 32, 3),
    VGG + SCORES["fr"] + 64**2 * 21**2,
  ),
  "fcn16s": (
    fcn.FCN16s(21),
    (1, 32, 32, 3),
    VGG + SCORES["fr"] + SCORES["pool4"] + (32**2 + 4**2) * 21**2,
  ),
  "fcn8s": (
    fcn.FCN8s(21),
    (1, 32, 32, 3),
    VGG + sum(SCORES.values()) + (16**2 + 2 * 4**2) * 21**2,
  ),
}
NARROW = {
  "unet_same": UNet(3, width=4, depth=2, dropout=0.1),
  "unet_patch": UNet(3, width=4, depth=1, patch=2),
  "unet_valid": PAPER_UNET(3, width=4, depth=1),
  "segnet": SegNetBasic(3, width=4, depth=2, kernel=3),
  "espnet": ESPNet(3, blocks=(1, 1), widths=(4, 11, 15)),
  "fcn32s": fcn.FCN32s(3, stages=THIN, hidden=8, dropout=0.0),
  "fcn16s": fcn.FCN16s(3, stages=THIN, hidden=8, dropout=0.0),
  "fcn8s": fcn.FCN8s(3, stages=THIN, hidden=8, norm=True, dropout=0.0),
}


def image(h, w, c=3, b=2):
  return jnp.asarray(RNG.normal(size=(b, h, w, c)), jnp.float32)


def nchw(x):
  torch = library("torch")
  return torch.tensor(np.asarray(x).transpose(0, 3, 1, 2).copy())


def nhwc(x):
  return x.detach().numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("name", SIZES)
def test_parameters_are_as_published(name):
  model, shape, expected = SIZES[name]
  assert parameters(model, shape) == expected


def test_the_papers_sizes():
  shape = jax.ShapeDtypeStruct((1, 572, 572, 1), jnp.float32)
  model = PAPER_UNET(2, width=2)
  out = jax.eval_shape(
    lambda x: model.init_with_output(jax.random.key(0), x, train=False)[0],
    shape,
  )
  assert out.shape == (1, 388, 388, 2)
  assert unet_sizes.output_size(572) == 388 and unet_sizes.margin() == 92
  assert unet_sizes.input_size(388) == 572 and unet_sizes.input_size(373) == 572
  assert unet_sizes.input_size(372) == 556 and unet_sizes.output_size(188) == 4
  for depth in (1, 2, 3, 4):
    sizes = [unet_sizes.input_size(n, depth) for n in range(1, 200)]
    assert all(
      0 <= unet_sizes.output_size(s, depth) - n < 2**depth or s == min(sizes)
      for n, s in enumerate(sizes, 1)
    )


@pytest.mark.parametrize("size", [571, 570, 172, 100])
def test_a_size_that_cannot_be_halved_is_an_error(size):
  with pytest.raises(ValueError, match=f"side of {size} .*188 plus"):
    unet_sizes.output_size(size)


@pytest.mark.parametrize(
  "name", with_slow(NARROW, "unet_same", "fcn16s", "espnet")
)
def test_logits_fit_and_gradients_reach_every_parameter(name):
  model, x = NARROW[name], image(36, 44)
  variables = jax.jit(lambda: model.init(jax.random.key(0), x, train=False))()
  params = variables.pop("params")

  def loss(params):
    logits, _ = model.apply(
      {"params": params, **variables},
      x,
      train=True,
      mask=jnp.ones(2),
      mutable=["batch_stats"],
      rngs={"dropout": jax.random.key(1)},
    )
    weight = jax.random.normal(jax.random.key(2), logits.shape)
    return jnp.sum(logits * weight), logits

  results = {}
  # One of each kind in both forms: compiling is what takes the time.
  once = name in ("unet_valid", "unet_patch", "fcn16s", "fcn32s", "espnet")
  for on in (True,) if once else (True, False):
    with cpu_forms(on):
      fn = jax.jit(jax.value_and_grad(lambda p: loss(p), has_aux=True))
      (_, logits), grads = fn(params)
    results[on] = jax.tree.leaves((logits, grads))
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(grads))
    cut = 16 if name == "unet_valid" else 0
    assert logits.shape == (2, 36 - cut, 44 - cut, 3)
    assert logits.dtype == jnp.float32
    for path, g in jax.tree_util.tree_leaves_with_path(grads):
      # A gradient of rounding errors alone is no gradient.
      assert float(jnp.abs(g).max()) > 1e-5 * largest, path
  for a, b in zip(
    results[True], results.get(False, results[True]), strict=True
  ):
    scale = float(jnp.abs(b).max()) + 0.01 * largest
    np.testing.assert_allclose(a, b, atol=2e-4 * scale)


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_half_precision_gives_finite_float32_logits(dtype):
  model, x = UNet(3, width=4, depth=2, dtype=dtype), image(16, 16)
  variables = jax.jit(lambda: model.init(jax.random.key(0), x, train=False))()
  logits = jax.jit(functools.partial(model.apply, train=False))(variables, x)
  assert logits.dtype == jnp.float32 and jnp.isfinite(logits).all()
  assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(variables))


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize(
  "size,stride", [(2, 2), (3, 2), (4, 2), (6, 2), (16, 8)]
)
def test_transposed_convolution_equals_torch(size, stride, on):
  torch = library("torch")
  x = image(5, 4)
  kernel = jnp.asarray(RNG.normal(size=(size, size, 3, 2)), jnp.float32)
  with cpu_forms(on):
    y, pull = jax.vjp(lambda x, k: transposed(x, k, stride), x, kernel)
    weight = jnp.asarray(RNG.normal(size=y.shape), jnp.float32)
    dx, dk = pull(weight)
  tx = nchw(x).requires_grad_()
  tk = torch.tensor(np.asarray(kernel).transpose(2, 3, 0, 1).copy())
  tk.requires_grad_()
  ty = torch.nn.functional.conv_transpose2d(tx, tk, stride=stride)
  ty.backward(nchw(weight))
  np.testing.assert_allclose(y, nhwc(ty), atol=1e-4)
  np.testing.assert_allclose(dx, nhwc(tx.grad), atol=1e-3)
  expected = tk.grad.numpy().transpose(2, 3, 0, 1)
  np.testing.assert_allclose(dk, expected, atol=1e-3)


@pytest.mark.parametrize("factor", [2, 8])
def test_upsampling_starts_as_bilinear_interpolation(factor):
  torch = library("torch")
  x = image(6, 7, 2)
  kernel = bilinear_init(None, (2 * factor, 2 * factor, 2, 2))
  cut = factor // 2
  y = transposed(x, kernel, factor)[:, cut:-cut, cut:-cut]
  expected = nhwc(
    torch.nn.functional.interpolate(
      nchw(x), scale_factor=factor, mode="bilinear"
    )
  )
  inner = np.s_[:, factor:-factor, factor:-factor]  # torch repeats the border
  np.testing.assert_allclose(y[inner], expected[inner], atol=1e-5)


def test_unpooling_equals_torch():
  torch = library("torch")
  f = torch.nn.functional
  x = jnp.round(image(6, 8))  # with ties

  def there_and_back(x):
    y, index = max_pool_with_index(x)
    return max_unpool(y * y, index)

  y, pull = jax.vjp(there_and_back, x)
  weight = jnp.asarray(RNG.normal(size=y.shape), jnp.float32)
  tx = nchw(x).requires_grad_()
  ty, places = f.max_pool2d(tx, 2, return_indices=True)
  ty = f.max_unpool2d(ty * ty, places, 2)
  ty.backward(nchw(weight))
  np.testing.assert_array_equal(y, nhwc(ty))
  np.testing.assert_allclose(pull(weight)[0], nhwc(tx.grad), atol=1e-6)
  with pytest.raises(ValueError, match="expected one shape"):
    max_unpool(x, x[:, 1:])


def convolve(torch, x, layer, padding=0):
  kernel = torch.tensor(np.asarray(layer["kernel"]).transpose(3, 2, 0, 1))
  bias = layer.get("bias")
  bias = None if bias is None else torch.tensor(np.asarray(bias))
  return torch.nn.functional.conv2d(x, kernel, bias, padding=padding)


def test_unet_equals_torch():
  torch = library("torch")
  model, x = PAPER_UNET(3, width=4, depth=2), image(44, 60)
  p = model.init(jax.random.key(0), x, train=False)["params"]
  p = jax.tree.map(lambda a: a + 0.1 * RNG.normal(size=a.shape), p)
  p = jax.tree.map(lambda a: a.astype(jnp.float32), p)

  def block(y, layer):
    for name in ("conv1", "conv2"):
      y = torch.relu(convolve(torch, y, layer[name]))
    return y

  def up(y, across, layer):
    kernel = np.asarray(layer["up"]["kernel"]).transpose(2, 3, 0, 1)
    y = torch.nn.functional.conv_transpose2d(
      y,
      torch.tensor(kernel.copy()),
      torch.tensor(np.asarray(layer["up"]["bias"])),
      stride=2,
    )
    top, left = (
      (a - b) // 2 for a, b in zip(across.shape[2:], y.shape[2:], strict=True)
    )
    h, w = y.shape[2:]
    across = across[:, :, top : top + h, left : left + w]
    return block(torch.cat([across, y], 1), layer)

  pool = lambda y: torch.nn.functional.max_pool2d(y, 2)
  y0 = block(nchw(x), p["down0"])
  y1 = block(pool(y0), p["down1"])
  y = up(block(pool(y1), p["down2"]), y1, p["up1"])
  y = convolve(torch, up(y, y0, p["up0"]), p["head"])
  got = jax.jit(functools.partial(model.apply, train=False))({"params": p}, x)
  np.testing.assert_allclose(got, nhwc(y), rtol=1e-6, atol=1e-4)


def test_segnet_equals_torch():
  torch = library("torch")
  f = torch.nn.functional
  model, x = SegNetBasic(3, width=4, depth=2), image(16, 24)
  v = jax.jit(lambda: model.init(jax.random.key(0), x, train=False))()
  v = jax.tree.map(
    lambda a: (a + 0.1 * RNG.random(a.shape)).astype(jnp.float32), v
  )

  def layer(y, name):
    y = convolve(torch, y, v["params"][name], 3)
    tensor = lambda a: torch.tensor(np.asarray(a))
    stats, norm = v["batch_stats"], v["params"]
    return f.batch_norm(
      y,
      *(tensor(stats[f"{name}_bn"][k]) for k in ("mean", "var")),
      *(tensor(norm[f"{name}_bn"][k]) for k in ("scale", "bias")),
    )

  y, places = nchw(x), []
  for i in (1, 2):
    y, place = f.max_pool2d(
      torch.relu(layer(y, f"encoder{i}")), 2, return_indices=True
    )
    places.append(place)
  for i in (2, 1):
    y = layer(f.max_unpool2d(y, places.pop(), 2), f"decoder{i}")
  y = convolve(torch, y, v["params"]["head"])
  got = jax.jit(functools.partial(model.apply, train=False))(v, x)
  np.testing.assert_allclose(got, nhwc(y), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
  ("model", "message"),
  [
    (UNet(2, padding="full"), "got padding='full'"),
    (fcn.FCN(2, stride=4), "got stride=4"),
    (UNet(2, padding="valid", patch=2), "got patch=2 with padding='valid'"),
    (PAPER_UNET(2, width=2), "side of 32 with padding 'valid'"),
  ],
)
def test_bad_fields_are_named(model, message):
  with pytest.raises(ValueError, match=message):
    model.init(jax.random.key(0), image(32, 32), train=False)
