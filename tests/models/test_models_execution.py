"""Models under pmap and a sharded jit give what one device gives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from tests.marks import with_slow
from vision_jax.core.mapped import mapped
from vision_jax.models.backbones.resnet import ResNet20
from vision_jax.models.backbones.vit import ViT

MODELS = {
  "resnet": (functools.partial(ResNet20, 10, width=4, stages=(1, 1)), 16),
  "vit": (
    functools.partial(
      ViT,
      10,
      patch=4,
      features=8,
      depth=2,
      heads=2,
      dropout=0.1,
      drop_path=0.3,
    ),
    16,
  ),
}
# The third shard of two examples is all padding.
MASK = np.array([1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1], np.float32)


def gradient(model, axis, variables, x, mask, key):
  """Returns the masked mean loss's gradient and the new statistics."""
  labels = jax.nn.one_hot(jnp.arange(10), 10)[jnp.argmax(x[:, 0, :3, 0], 1)]
  count = jnp.sum(mask)
  if axis:
    count = jax.lax.psum(count, axis)

  def share(params):
    with mapped(axis):
      logits, new = model.apply(
        {**variables, "params": params},
        x,
        train=True,
        mask=mask,
        mutable=["batch_stats"],
        rngs={"dropout": key},
      )
    losses = -jnp.sum(labels * jax.nn.log_softmax(logits), axis=-1)
    return jnp.sum(losses * mask) / count, new

  grads, new = jax.grad(share, has_aux=True)(variables["params"])
  return (jax.lax.psum(grads, axis) if axis else grads), new


@pytest.mark.parametrize("how", with_slow(["pmap", "jit"], "pmap"))
@pytest.mark.parametrize("name", with_slow(MODELS, "vit"))
def test_eight_devices_equal_one(name, how):
  make, size = MODELS[name]
  x = jax.random.normal(jax.random.key(0), (16, size, size, 3))
  key = jax.random.key(1)
  variables = jax.jit(
    lambda: make().init({"params": key, "dropout": key}, x[:1], train=False)
  )()
  head = "head" if name == "vit" else "fc"
  kernel = variables["params"][head]["kernel"]
  kernel = jax.random.normal(key, kernel.shape)
  variables["params"][head]["kernel"] = kernel
  one = jax.jit(functools.partial(gradient, make(), None))
  expected = one(variables, x, MASK, key)
  if how == "pmap":
    fn = functools.partial(gradient, make(), "data")
    fn = jax.pmap(fn, "data", in_axes=(None, 0, 0, None), out_axes=None)
    x = x.reshape(8, 2, size, size, 3)
    result = fn(variables, x, MASK.reshape(8, 2), key)
  else:
    mesh = jax.make_mesh((8,), ("data",), (AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec("data"))
    result = one(variables, *jax.device_put((x, MASK), rows), key)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5),
    result,
    expected,
  )
