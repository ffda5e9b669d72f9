"""Whether this machine computes what it should, and how exactly."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import environment
from vision_jax.layers.attention import attend, fits_cudnn
from vision_jax.layers.conv import convolve
from vision_jax.layers.dense import Dense

# Errors in parts of the largest value: bf16 has eight bits of mantissa; of
# attention's gradients, differences of nearly equal numbers are lost besides.
# A CPU's products (jax 0.11's, of some layouts) add up in bf16.
BF16, ATTENTION, CPU = 2e-2, 5e-2, 0.1
HIGHEST = jax.default_matmul_precision("highest")


def measure(name: str, *, size: str, **_: Any) -> dict[str, Any]:
  """Returns the numbers of one check, and whether they are right (`ok`)."""
  tiny = size == "tiny"
  kind, _, rest = name.partition("_")
  if kind == "versions":
    return environment.hardware() | environment.versions() | {"cudnn": cudnn()}
  if kind == "convolution":
    return convolution(int(rest[0]), tiny)
  if kind == "attention":
    tokens, features = map(int, rest.removeprefix("masked_").split("x"))
    return attention(
      tokens // 8 if tiny else tokens, features, "masked" in rest
    )
  return {"tf32": tf32, "bias_gradient": bias_gradient}[name](tiny)


def cudnn() -> int | None:
  """cuDNN's version as jax finds it, None where there is none."""
  try:
    from jax._src.lib import cuda_versions

    return int(cuda_versions.cudnn_get_version())
  except (ImportError, AttributeError, RuntimeError):
    return None


def convolution(kernel: int, tiny: bool) -> dict[str, Any]:
  """A bf16 image, a float32 kernel and gradients, as in a model."""
  side, channels = (8, 16) if tiny else (56, 64)
  key = jax.random.key(0)
  x = jax.random.normal(key, (8, side, side, channels))
  k = jax.random.normal(key, (kernel, kernel, channels, channels)) / channels
  fn = functools.partial(convolve, stride=1, padding=kernel // 2)
  return compared(fn, (x.astype(jnp.bfloat16), k))


def attention(tokens: int, features: int, masked: bool) -> dict[str, Any]:
  """`attend` in bf16 with gradients, against float32 on the CPU."""
  keys = jax.random.split(jax.random.key(0), 3)
  shape = (2, tokens, 2, features)
  args = tuple(jax.random.normal(k, shape, jnp.bfloat16) for k in keys)
  mask = None
  if masked:  # the last quarter of the second example is padding
    mask = jnp.ones((2, 1, 1, tokens), bool)
    mask = mask.at[1, :, :, -tokens // 4 :].set(False)
  fn = lambda q, k, v: attend(q, k, v, mask)
  kernel = "cudnn" if fits_cudnn(*args[:2], mask) else "xla"
  ours = compared(fn, args, ATTENTION) | {"kernel": kernel}
  if kernel == "xla":
    return ours
  plain = lambda q, k, v: jax.nn.dot_product_attention(
    q, k, v, mask=mask, implementation="xla"
  )
  return ours | {"xla": compared(plain, args)["error"]}


def compared(fn: Any, args: tuple, most: float = BF16) -> dict[str, Any]:
  """Errors of fn and its gradients here, of all of it in float32 on the CPU.

  Returns:
    `error`, the worst of the value and of each gradient in parts of the
    largest, and `ok`, that it is at most `most`, or CPU where this is one.
  """
  most = CPU if jax.default_backend() == "cpu" else most

  def both(*args):
    loss = lambda *a: jnp.sum(jnp.sin(fn(*a).astype(jnp.float32)))
    grads = jax.grad(loss, argnums=tuple(range(len(args))))(*args)
    return (fn(*args), *grads)

  got = jax.jit(lambda *a: both(*a))(*args)
  cpu = jax.devices("cpu")[0]
  with jax.default_device(cpu), HIGHEST:
    exact = [x.astype(jnp.float32) for x in jax.device_put(args, cpu)]
    want = jax.jit(lambda *a: both(*a))(*exact)
  errors = [_error(g, w) for g, w in zip(got, want, strict=True)]
  worst = float(np.max(errors))  # which is NaN where one is, unlike Python's
  return {"errors": errors, "error": worst, "ok": worst <= most}


def tf32(tiny: bool) -> dict[str, Any]:
  """What a float32 product loses at default precision; a number, no fault."""
  n = 64 if tiny else 4096
  x = jax.random.normal(jax.random.key(0), (n, n))
  got = jax.jit(lambda x: x @ x)(x)
  with HIGHEST:
    want = jax.jit(lambda x: x @ x)(x)
  return {"error": _error(got, want)}


def bias_gradient(tiny: bool) -> dict[str, Any]:
  """The length of a bf16 bias's gradient over many tokens; 1 is right."""
  tokens = 4096 if tiny else 262_144
  layer = Dense(8, dtype=jnp.bfloat16)
  x = jnp.ones((1, tokens, 8))
  params = layer.init(jax.random.key(0), x[:, :1])
  loss = lambda p: jnp.sum(layer.apply(p, x).astype(jnp.float32))
  grad = jax.jit(jax.grad(loss))(params)["params"]["bias"]
  length = float(jnp.mean(grad)) / tokens
  return {"tokens": tokens, "length": length, "ok": abs(length - 1) <= BF16}


def _error(got: Any, want: Any) -> float:
  got, want = (np.asarray(x, np.float64) for x in (got, want))
  return float(np.max(np.abs(got - want)) / np.max(np.abs(want)))
