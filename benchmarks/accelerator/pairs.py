"""All forms of each operation, with its gradient, in turns in one process."""

import functools
import statistics
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from benchmarks.speed.timing import BLOCK, in_turns
from vision_jax.forms.choice import FORMS, form, use_forms
from vision_jax.forms.nested import scan
from vision_jax.layers.conv import convolve, max_pool
from vision_jax.layers.dense import linear
from vision_jax.layers.mlp import MlpBlock
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.upsample import transposed
from vision_jax.layers.weights import weighted
from vision_jax.ops.augment import rand_augment
from vision_jax.ops.augment.tables import histogram
from vision_jax.ops.convolution3d import convolution3d
from vision_jax.ops.matching import match

Draw = Callable[..., jax.Array]


def measure(name: str, *, size: str, **_: Any) -> dict[str, Any]:
  """Times the operation NAME, or OPERATION_KIND for one of several shapes.

  Returns:
    `turn_ms` of each form, their medians `ms`, this backend's `default`, and
    the bytes `temp_bytes` that a form needs besides arguments and results.
  """
  operation = name if name in FORMS else name.rpartition("_")[0]
  tiny = size == "tiny"
  fn, args = CASES[name](tiny)
  functions, saved = {}, {}
  for which in FORMS[operation]:
    with use_forms(**{operation: which}):
      compiled = jax.jit(lambda *a: fn(*a)).lower(*args).compile()
    functions[which] = compiled
    if analysis := compiled.memory_analysis():
      saved[which] = int(analysis.temp_size_in_bytes)
  turns, calls = (2, 3) if tiny else (5, BLOCK)
  times = in_turns(functions, args, turns=turns, calls=calls)
  return {
    "operation": operation,
    "shapes": [list(x.shape) for x in jax.tree.leaves(args)],
    "dtype": str(jax.tree.leaves(args)[0].dtype),
    "default": form(operation),
    "turn_ms": times,
    "ms": {name: statistics.median(ms) for name, ms in times.items()},
    "temp_bytes": saved,
  }


def _draw(tiny: bool, *shapes: tuple[int, ...]) -> tuple[jax.Array, ...]:
  """Normal numbers: an image or tokens in bf16 (tiny ones not), and kernels."""
  keys = jax.random.split(jax.random.key(0), len(shapes))
  x, *kernels = map(jax.random.normal, keys, shapes)
  return (x if tiny else x.astype(jnp.bfloat16), *kernels)


def _with_gradient(fn, args):
  """fn's value and its gradients by all arguments, in one function."""

  def both(*args):
    out, pull = jax.vjp(fn, *args)
    return out, pull(jnp.ones_like(out))

  return both, args


def _transposed(tiny):
  b, h, w, c, d = (2, 6, 8, 8, 4) if tiny else (8, 90, 120, 256, 128)
  args = _draw(tiny, (b, h, w, c), (2, 2, c, d))
  return _with_gradient(lambda x, k: transposed(x, k, 2), args)


def _transposed_4x4(tiny):
  b, h, c, d = (2, 4, 8, 4) if tiny else (128, 16, 256, 128)
  args = _draw(tiny, (b, h, h, c), (4, 4, c, d))
  return _with_gradient(lambda x, k: transposed(x, k, 2), args)


def _pool_shifts(tiny):
  args = _draw(tiny, (2, 8, 8, 4) if tiny else (256, 112, 112, 64))
  return _with_gradient(lambda x: max_pool(x, 3, 2, 1), args)


def _pool_blocks(tiny):
  args = _draw(tiny, (2, 8, 8, 4) if tiny else (8, 360, 480, 64))
  return _with_gradient(max_pool, args)


def _patches(tiny):
  b, h, p, d = (2, 8, 4, 16) if tiny else (256, 224, 16, 768)
  args = _draw(tiny, (b, h, h, 3), (p, p, 3, d))
  return _with_gradient(lambda x, k: convolve(x, k, p), args)


def _conv_1x1(tiny):
  b, h, c, d = (2, 8, 8, 4) if tiny else (256, 56, 256, 64)
  args = _draw(tiny, (b, h, h, c), (1, 1, c, d))
  return _with_gradient(convolve, args)


def _conv_3d(tiny):
  b, t, h, c = (2, 4, 8, 8) if tiny else (16, 8, 28, 128)
  args = _draw(tiny, (b, t, h, h, c), (3, 3, 3, c, c))
  product = functools.partial(convolution3d, padding=(1, 1, 1))
  return _with_gradient(lambda x, k: weighted(product, x, k), args)


def _few_images(tiny):
  b, h, w, c = (2, 8, 8, 4) if tiny else (2, 45, 60, 32)
  args = _draw(tiny, (b, h, w, c), (3, 3, c, c))
  return _with_gradient(lambda x, k: convolve(x, k, 1, 2, 2), args)


def _grouped(tiny):
  b, h, c, groups = (2, 8, 8, 4) if tiny else (256, 28, 256, 32)
  args = _draw(tiny, (b, h, h, c), (3, 3, c // groups, c))
  return _with_gradient(lambda x, k: convolve(x, k, 1, 1, 1, groups), args)


def _depthwise(tiny):
  b, h, c = (2, 8, 8) if tiny else (256, 28, 192)
  args = _draw(tiny, (b, h, h, c), (3, 3, 1, c))
  return _with_gradient(lambda x, k: convolve(x, k, 1, 1, 1, c), args)


def _depthwise_7x7(tiny):
  b, h, c = (2, 8, 8) if tiny else (256, 28, 192)
  args = _draw(tiny, (b, h, h, c), (7, 7, 1, c))
  return _with_gradient(lambda x, k: convolve(x, k, 1, 3, 1, c), args)


def _small_maps(tiny):
  b, h, c, d = (2, 2, 8, 8) if tiny else (256, 2, 512, 512)
  args = _draw(tiny, (b, h, h, c), (3, 3, c, d))
  return _with_gradient(lambda x, k: convolve(x, k, 1, 1), args)


def _dense_gradient(tiny):
  b, tokens, c, d = (2, 512, 8, 16) if tiny else (256, 196, 384, 1536)
  args = _draw(tiny, (b, tokens, c), (c, d))
  return _with_gradient(linear, args)


def _dense_gradient_float32(tiny):
  b, tokens, c, d = (2, 512, 8, 16) if tiny else (64, 196, 384, 1536)
  x, kernel = _draw(True, (b, tokens, c), (c, d))
  return _with_gradient(linear, (x, kernel))


def _gelu(tiny):
  return _tokens(tiny, lambda d, dtype: MlpBlock(4 * d, dtype=dtype))


def _layer_norm(tiny):
  return _tokens(tiny, lambda _, dtype: Normalised(dtype))


class Normalised(nn.Module):
  """A layer normalization that the residual passes by, as in a block."""

  dtype: Any

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    """Maps tokens x (b, l, d) to the same shape."""
    return x + LayerNorm(dtype=self.dtype)(x)


def _tokens(tiny, make):
  """A layer, make(features, dtype), on a ViT-S's tokens, in training."""
  (x,) = _draw(tiny, (2, 16, 8) if tiny else (256, 196, 384))
  layer = make(x.shape[-1], x.dtype)
  init = jax.jit(lambda x: layer.init(jax.random.key(0), x, train=False))
  apply = lambda x, variables: layer.apply(variables, x, train=True)
  return _with_gradient(apply, (x, init(x)))


def _matching(tiny):
  b, q, n = (2, 10, 4) if tiny else (48, 100, 100)  # DETR's: 6 layers of b8
  cost = jax.random.uniform(jax.random.key(0), (b, q, n))
  mask = (jnp.arange(n) < jnp.arange(b)[:, None] % 15 + 1).astype(jnp.float32)
  return match, (cost, mask)


def _nested(tiny):
  b, h, c = (2, 8, 8) if tiny else (256, 28, 128)
  x, kernel = _draw(tiny, (2, b, h, h, c), (3, 3, c, c))

  def gradient(x, kernel):
    loss = lambda kernel, x: jnp.mean(convolve(x, kernel, 1, 1) ** 2)
    add = lambda total, x: (total + jax.grad(loss)(kernel, x), ())
    return scan(add, jnp.zeros_like(kernel), x)[0]

  return gradient, (x, kernel)


def _images(tiny):
  shape = (2, 16, 16, 3) if tiny else (256, 224, 224, 3)
  return jax.random.randint(jax.random.key(0), shape, 0, 256).astype(jnp.uint8)


def _histogram(tiny):
  return histogram, (_images(tiny).transpose(0, 3, 1, 2),)


def _levels(tiny):
  augment = rand_augment(2, 10, value_range=(0.0, 255.0))
  image = _images(tiny)
  index = jnp.arange(len(image), dtype=jnp.int32)
  key = jax.random.key(0)
  fn = lambda image: augment({"image": image, "index": index}, key)["image"]
  return fn, (image,)


CASES = {
  "transposed": _transposed,
  "transposed_4x4": _transposed_4x4,
  "pool_shifts": _pool_shifts,
  "pool_blocks": _pool_blocks,
  "patches": _patches,
  "conv_1x1": _conv_1x1,
  "conv_3d": _conv_3d,
  "small_maps": _small_maps,
  "few_images": _few_images,
  "grouped": _grouped,
  "depthwise": _depthwise,
  "depthwise_7x7": _depthwise_7x7,
  "dense_gradient": _dense_gradient,
  "dense_gradient_float32": _dense_gradient_float32,
  "gelu": _gelu,
  "layer_norm": _layer_norm,
  "matching": _matching,
  "nested": _nested,
  "histogram": _histogram,
  "levels": _levels,
}
