"""StyleGAN2's nets: their sizes, modulation by torch, styles and noise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.layers.equalized import EqualConv, EqualDense, leaky
from vision_jax.models.count import parameters
from vision_jax.models.generation.stylegan2 import (
  ModulatedConv,
  StyleGAN2Generator,
)
from vision_jax.models.generation.stylegan2_discriminator import (
  StyleGAN2Discriminator,
)

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
WIDTHS = (512, 512, 512, 512, 512, 256, 128, 64, 32)


def normal(*shape):
  return RNG.normal(size=shape).astype(np.float32)


def test_of_1024_pixels_they_are_as_large_as_the_authors():
  """As their program prints it for configuration f.

  The discriminator has 9 x 512 fewer than 29,012,513: the weights of the
  deviation over a minibatch.
  """
  generator = StyleGAN2Generator((1024, 1024, 3), widths=WIDTHS)
  assert parameters(generator, (1, 512)) == 30_370_060
  judge = StyleGAN2Discriminator(WIDTHS[::-1])
  assert parameters(judge, (1, 1024, 1024, 3)) == 29_012_513 - 9 * 512


def test_a_side_that_does_not_halve_is_an_error():
  with pytest.raises(UserError, match="got 30 x 28"):
    StyleGAN2Generator((30, 28, 1), 4, (4, 4, 4)).init(
      KEY, normal(1, 4), train=False
    )


def test_layers_leave_a_normals_mean_square_as_it_is():
  x = normal(64, 12, 12, 16)
  for layer in (EqualConv(32), EqualDense(32), EqualDense(32, rate=0.01)):
    variables = layer.init(KEY, x)
    y = leaky(layer.apply(variables, x))[:, 1:-1, 1:-1]
    assert 0.8 < float(jnp.mean(jnp.square(y))) < 1.2


def test_a_rate_makes_a_step_as_much_smaller():
  x = normal(4, 8)
  whole, slow = EqualDense(3), EqualDense(3, rate=0.1)
  moved = []
  for layer in (whole, slow):
    start = layer.init(KEY, x)
    end = jax.tree.map(lambda p: p + 0.5, start)
    moved.append(layer.apply(end, x) - layer.apply(start, x))
  np.testing.assert_allclose(moved[1], 0.1 * moved[0], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulation_is_that_of_each_examples_own_kernel(up, demodulate):
  """By torch, as the paper states it: the kernel of each example, in groups."""
  torch = library("torch")
  functional = library("torch.nn.functional")
  x, w = normal(2, 5, 6, 4), normal(2, 7)
  conv = ModulatedConv(3, up=up, demodulate=demodulate)
  variables = conv.init(KEY, x, w)
  got = conv.apply(variables, x, w)
  given = jax.tree.map(np.asarray, variables["params"])
  style = w @ given["style"]["kernel"] / np.sqrt(7) + given["style"]["bias"]
  kernels = given["kernel"] / np.sqrt(36.0) * style[:, None, None, :, None]
  kernels = kernels.astype(np.float64)
  if demodulate:
    square = (kernels**2).sum((1, 2, 3), keepdims=True)
    kernels = kernels / np.sqrt(square + 1e-8)
  images = []
  for image, kernel in zip(x, kernels, strict=True):
    one = torch.from_numpy(image.transpose(2, 0, 1))[None].double()
    if up:
      k = torch.from_numpy(kernel.transpose(2, 3, 0, 1)[..., ::-1, ::-1].copy())
      y = functional.conv_transpose2d(one, k, stride=2)
      taps = torch.tensor([1.0, 3.0, 3.0, 1.0]).double() / 4
      blur = torch.outer(taps, taps).expand(3, 1, 4, 4)
      y = functional.conv2d(y, blur, padding=1, groups=3)
    else:
      k = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
      y = functional.conv2d(one, k, padding=1)
    images.append(y[0].permute(1, 2, 0).numpy())
  np.testing.assert_allclose(got, np.stack(images), atol=2e-5)


@functools.cache
def small():
  """A small generator, and its parameters with noise that counts."""
  net = StyleGAN2Generator((12, 8, 2), 6, (8, 6), 2)
  params = net.init(KEY, normal(2, 6), train=False)["params"]
  strong = lambda path, x: x + 0.3 if path[-1].key == "strength" else x
  return net, jax.tree_util.tree_map_with_path(strong, params)


def test_noise_is_of_the_keys_and_styles_of_their_layers():
  net, params = small()
  apply = functools.partial(net.apply, {"params": params})
  w = net.spread(apply(normal(2, 6), method="styles"))
  draw = jax.jit(lambda w, keys=None: apply(w, keys, method="draw"))
  first, second = (jax.random.split(jax.random.key(i), 2) for i in (1, 2))
  plain, noisy = draw(w), draw(w, first)
  assert plain.shape == (2, 12, 8, 2)
  assert float(jnp.abs(plain - noisy).max()) > 1e-2
  np.testing.assert_array_equal(noisy, draw(w, first))
  assert float(jnp.abs(draw(w, second) - noisy).max()) > 1e-2
  # A batch is what its images are alone.
  np.testing.assert_allclose(draw(w[1:], first[1:]), noisy[1:], atol=1e-5)
  for layer in range(net.layers):
    changed = draw(w.at[0, layer].add(1.0))
    assert float(jnp.abs(changed[0] - plain[0]).max()) > 1e-3, layer
    np.testing.assert_allclose(changed[1], plain[1], atol=1e-5)


def test_a_conditional_judge_gives_its_class_logit():
  judge = StyleGAN2Discriminator((4, 6), 3)
  x, label = normal(2, 8, 8, 1), jnp.array([0, 2])
  variables = judge.init(KEY, x, label, train=False)
  head = variables["params"]["head"]
  assert head["kernel"].shape == (6, 3)
  got = judge.apply(variables, x, label, train=False)
  head = head | {"bias": jnp.array([1.0, 0.0, 5.0])}
  other = {"params": variables["params"] | {"head": head}}
  moved = judge.apply(other, x, label, train=False) - got
  np.testing.assert_allclose(moved, [1.0, 5.0], rtol=1e-5)
