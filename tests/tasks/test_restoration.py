"""Restoration: losses, luma and chroma, images back in their own depth."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.losses.restoration import LOSSES
from vision_jax.models.restoration.dncnn import DnCNN
from vision_jax.models.restoration.ffdnet import FFDNet
from vision_jax.ops.luma import luma
from vision_jax.tasks.restoration import Restoration

KEY = jax.random.key(0)


class Twice(nn.Module):
  """Repeats each pixel, times a parameter."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    scale = self.param("scale", nn.initializers.ones, ())
    return scale * x.repeat(2, 1).repeat(2, 2)


def batch_of(h, w, c, times=1):
  rng = np.random.default_rng(0)
  clean = rng.uniform(0.2, 0.8, (2, times * h, times * w, c))
  return {
    "image": jnp.asarray(clean[:, ::times, ::times], jnp.float32),
    "clean": jnp.asarray(clean, jnp.float32),
    "mask": jnp.asarray([1.0, 0.0]),
  }


def terms_of(task, batch):
  params, stats = task.init(KEY, batch)
  (objective,) = task.objectives
  loss = lambda p: objective.loss(p, stats, batch, KEY, step=0, train=True)[0]
  return loss(params), params, stats


def test_losses_are_means_over_pixels_of_images_that_count():
  batch = batch_of(4, 6, 3, 2)
  error = (batch["image"].repeat(2, 1).repeat(2, 2) - batch["clean"])[0]
  expected = {
    "l1": jnp.mean(jnp.abs(error)),
    "l2": jnp.mean(error**2),
    "charbonnier": jnp.mean(jnp.sqrt(error**2 + 1e-6)),
  }
  assert expected.keys() == LOSSES.keys()
  for name, value in expected.items():
    terms, *_ = terms_of(Restoration(Twice(), name), batch)
    np.testing.assert_allclose(terms[name].divide(), value, rtol=1e-6)


def test_a_residual_is_added_to_what_the_net_takes():
  batch, direct = batch_of(6, 6, 1), Restoration(DnCNN(1, 2, 2))
  params, stats = direct.init(KEY, batch)
  whole = lambda task: task.predict(params, stats, batch, KEY)["restored"]
  batch["image"] = batch["image"] / 10  # so that nothing is clipped at 1
  params = jax.tree.map(lambda x: x * 0, params)
  np.testing.assert_allclose(
    whole(Restoration(DnCNN(1, 2, 2), residual=True)), 2 * whole(direct)
  )


def test_a_net_of_luma_leaves_chroma_to_bicubic():
  batch = batch_of(8, 8, 3, 2)
  flat = jnp.broadcast_to(batch["image"][:, :1, :1], (2, 8, 8, 3))
  batch["image"] = flat
  task = Restoration(Twice(), luma="video")
  params, stats = task.init(KEY, batch)
  params["model"]["scale"] = jnp.float32(1.1)
  out = task.predict(params, stats, batch, KEY)
  assert out["restored"].shape == (2, 16, 16, 3)
  brighter = 1.1 * luma(flat[:, :1, :1])
  np.testing.assert_allclose(out["luma"][:, :1, :1], brighter, rtol=1e-5)
  np.testing.assert_allclose(
    luma(out["restored"])[:, :1, :1], brighter, rtol=1e-4
  )
  differences = lambda x: x[..., 1:] - x[..., :-1]
  np.testing.assert_allclose(
    differences(out["restored"])[:, 3, 3], differences(flat)[:, 3, 3], atol=1e-5
  )


def test_a_net_of_another_scale_or_channels_is_an_error():
  with pytest.raises(UserError, match="Check its scale"):
    terms_of(Restoration(Twice()), batch_of(4, 4, 1))
  with pytest.raises(ValueError, match=r"expected .*1"):
    terms_of(Restoration(DnCNN(1, 4, 2)), batch_of(4, 4, 3))
  with pytest.raises(UserError, match="charbonnier"):
    Restoration(Twice(), "charbonier")


def test_a_net_is_given_the_level_of_each_image_or_that_of_the_task():
  task, batch = Restoration(FFDNet(1, 2, 2), sigma=51.0), batch_of(6, 5, 1)
  params, stats = task.init(KEY, batch)
  found = lambda **more: task.predict(params, stats, batch | more, KEY)
  alone = lambda levels: jnp.clip(
    FFDNet(1, 2, 2).apply(
      {"params": params["model"]}, batch["image"], levels, train=False
    ),
    *(0, 1),
  )
  same = np.testing.assert_array_equal
  same(found()["restored"], alone(jnp.array([0.2, 0.2])))
  levels = jnp.array([0.1, 0.9])
  same(found(noise=levels)["restored"], alone(levels))
  assert np.abs(alone(levels) - alone(0.2)).max() > 1e-3
