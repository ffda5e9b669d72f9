"""The diffusion task and its U-Net."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.oracles import library
from tests.tables import labelled_images
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.layers.time_embedding import sinusoids
from vision_jax.models.count import parameters
from vision_jax.models.generation.ddpm_unet import (
  DDPM_CIFAR10,
  DDPMUNet,
  double,
)
from vision_jax.ops import diffusion
from vision_jax.recipe import recipe
from vision_jax.tasks.diffusion import Diffusion

SMALL = functools.partial(
  DDPMUNet,
  width=8,
  multipliers=(1, 2),
  blocks=1,
  attention=(4,),
  groups=4,
  dropout=0.0,
)


def batch_of(size=4, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"])}


@functools.lru_cache
def small_task(**options):
  learned = options.get("variance") == "learned"
  classes = options.pop("num_classes", 4)
  model = SMALL(num_classes=classes, learned_variance=learned)
  task = Diffusion(model, diffusion.cosine(20), **options)
  shapes, stats = jax.eval_shape(task.init, jax.random.key(0), batch_of())
  rng = np.random.default_rng(1)

  def fill(path, x):  # cheaper than to compile what a model begins with
    one = path[-1].key == "scale"
    return jnp.asarray(one + 0.15 * rng.normal(size=x.shape), x.dtype)

  return task, jax.tree_util.tree_map_with_path(fill, shapes), stats


def test_the_cifar10_model_has_the_papers_size():
  assert parameters(DDPM_CIFAR10(), (1, 32, 32, 3)) == 35_746_307
  # The rest of the paper's: 10 classes and none, and the variance's channels.
  classes = parameters(DDPM_CIFAR10(num_classes=10), (1, 32, 32, 3))
  assert classes == 35_746_307 + 11 * 512
  learned = parameters(DDPM_CIFAR10(learned_variance=True), (1, 32, 32, 3))
  assert learned == 35_746_307 + 3 * (9 * 128 + 1)


def test_the_256_pixel_model_has_the_papers_size():
  model = DDPMUNet(multipliers=(1, 1, 2, 2, 4, 4), attention=(16,))
  millions = parameters(model, (1, 256, 256, 3)) / 1e6
  assert round(millions) == 114  # LSUN and CelebA-HQ, section B


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_unet_returns_an_image_and_its_variance(dtype):
  model = SMALL(num_classes=4, learned_variance=True, dtype=dtype)
  x = jnp.ones((2, 8, 8, 3))
  run = lambda k: model.init_with_output(k, x, train=False)
  out, variables = jax.eval_shape(run, jax.random.key(0))
  assert out.shape == (2, 8, 8, 6) and out.dtype == jnp.float32
  assert all(v.dtype == jnp.float32 for v in jax.tree.leaves(variables))


def test_an_image_that_does_not_halve_is_an_error():
  model = DDPMUNet()
  with pytest.raises(ValueError, match=r"28 x 28; expected .* divisible by 8"):
    jax.eval_shape(
      lambda: model.init(
        jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False
      )
    )


def test_patches_are_channels_of_a_smaller_image():
  """So that the levels begin at half the size, and pixels come out."""
  whole, patched = SMALL(), SMALL(patch=2, attention=(2,))
  x = jnp.ones((2, 8, 8, 3))
  run = lambda k: patched.init_with_output(k, x, train=False)
  out, variables = jax.eval_shape(run, jax.random.key(0))
  kernel = lambda name: variables["params"][name]["kernel"].shape
  assert out.shape == x.shape and "down2_attention1" in variables["params"]
  assert kernel("conv_in") == (3, 3, 12, 8)
  assert kernel("conv_out") == (3, 3, 8, 12)
  assert parameters(whole, (1, 8, 8, 3)) < parameters(patched, (1, 8, 8, 3))
  with pytest.raises(ValueError, match=r"divisible by 4, .* patches of 2"):
    jax.eval_shape(
      lambda: patched.init(jax.random.key(0), x[:, :6, :6], train=False)
    )


@pytest.mark.slow
def test_gradients_reach_every_parameter():
  task, params, stats = small_task(variance="learned")
  objective = task.objectives[0]

  def loss(params):
    terms, _ = objective.loss(
      params, stats, batch_of(), jax.random.key(0), step=0, train=True
    )
    return sum(w * terms[k].divide() for k, w in objective.weights.items())

  grads = jax.jit(jax.grad(loss))(params)
  # Row k of the label's table is hit by the examples that lost theirs.
  for path, grad in jax.tree_util.tree_leaves_with_path(grads):
    # A bias before a softmax over keys cancels.
    cancels = "'key'" in str(path) and "bias" in str(path)
    assert cancels or np.abs(grad).max() > 0, path


def test_group_norm_is_torchs():
  torch = library("torch")
  rng = np.random.default_rng(0)
  x = (rng.normal(size=(2, 5, 4, 12)) * 3 + 1).astype(np.float32)
  scale, bias = rng.normal(size=(2, 12)).astype(np.float32)
  weight = rng.normal(size=x.shape).astype(np.float32)
  apply = lambda x, params: GroupNorm(4).apply({"params": params}, x)
  got, back = jax.vjp(apply, x, {"scale": scale, "bias": bias})
  dx, grads = back(jnp.asarray(weight))
  t, ts, tb = (torch.tensor(a, requires_grad=True) for a in (x, scale, bias))
  expected = torch.nn.functional.group_norm(
    t.permute(0, 3, 1, 2), 4, ts, tb, 1e-6
  ).permute(0, 2, 3, 1)
  (expected * torch.tensor(weight)).sum().backward()
  for ours, theirs in (
    (got, expected.detach()),
    (dx, t.grad),
    (grads["scale"], ts.grad),
    (grads["bias"], tb.grad),
  ):
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)
  with pytest.raises(ValueError, match="12 channels and 5 groups"):
    GroupNorm(5).init(jax.random.key(0), x)


def test_doubling_repeats_pixels():
  x = np.arange(8.0).reshape(1, 2, 2, 2)
  np.testing.assert_array_equal(double(x), x.repeat(2, 1).repeat(2, 2))


def test_sinusoids_are_at_geometric_frequencies():
  got = np.asarray(sinusoids(jnp.array([0, 7]), 7))
  angle = 7 * 10_000.0 ** -(np.arange(3) / 2)
  np.testing.assert_allclose(got[1, :3], np.sin(angle), rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(got[1, 3:6], np.cos(angle), rtol=1e-5)
  np.testing.assert_array_equal(got[0], [0, 0, 0, 1, 1, 1, 0])


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
def test_the_loss_of_the_answer_is_zero(prediction):
  """A model that returns what it should: found by undoing the noise."""
  task, params, stats = small_task(prediction=prediction)
  batch, key = batch_of(), jax.random.key(5)
  x, t, eps = task.noised(batch, key)
  alpha, sigma = task.schedule.levels(t)
  np.testing.assert_allclose(
    alpha * batch["image"] + sigma * eps, x, rtol=1e-5, atol=1e-6
  )
  answer = diffusion.to_prediction(
    prediction, batch["image"], eps, alpha, sigma
  )

  class Oracle(DDPMUNet):
    def apply(self, variables, *args, **kwargs):
      return answer

  knows = Diffusion(Oracle(num_classes=4), task.schedule, prediction)
  terms, _ = knows.objectives[0].loss(
    params, stats, batch, key, step=0, train=False
  )
  assert float(terms["denoising"].divide()) < 1e-9
  assert float(terms["outside"].divide()) == 0


@pytest.mark.slow
def test_pixels_outside_the_range_show_in_the_logs():
  task, params, stats = small_task()
  batch = batch_of()
  image = batch["image"].copy()
  image[0] = 255.0
  terms, _ = task.objectives[0].loss(
    params, stats, batch | {"image": image}, jax.random.key(0), step=0,
    train=False,
  )  # fmt: skip
  assert float(terms["outside"].divide()) == 0.25


def test_labels_are_dropped_at_the_stated_rate_in_training_only():
  task, _, _ = small_task(drop_label=0.3)
  batch = batch_of(1000)
  label = np.asarray(task.given(batch, jax.random.key(0)))
  assert 0.25 < np.mean(label == 4) < 0.35
  kept = label != 4
  np.testing.assert_array_equal(label[kept], batch["label"][kept])
  np.testing.assert_array_equal(task.given(batch), batch["label"])


def draw(options, sampling, batch=None):
  task, params, stats = small_task(**options)

  @jax.jit
  def images(batch):
    out = task.sample(params, stats, batch, jax.random.key(0), **sampling)
    return out["image"]

  return images(batch or batch_of())


@pytest.mark.parametrize("sampler", diffusion.SAMPLERS)
def test_every_sampler_draws_images_of_a_class(sampler):
  image = draw({}, {"sampler": sampler, "steps": 3})
  assert image.shape == (4, 8, 8, 3) and np.abs(image).max() <= 1
  assert np.isfinite(image).all() and np.std(image) > 0.01


def test_a_sample_depends_on_index_label_and_key_alone():
  whole = draw({}, {"steps": 3})
  batch = batch_of()
  half = {k: v[2:] for k, v in batch.items()}
  half["image"] = np.zeros_like(half["image"])
  np.testing.assert_allclose(draw({}, {"steps": 3}, half), whole[2:], atol=1e-3)
  other = batch | {"label": (batch["label"] + 1) % 4}
  assert np.abs(draw({}, {"steps": 3}, other) - whole).max() > 1e-3


@pytest.mark.parametrize(
  "variance", [pytest.param("large", marks=pytest.mark.slow), "learned"]
)
def test_guidance_extrapolates_from_no_class(variance):
  """Of x0 predicted, one step returns it: so the extrapolation is seen."""
  task, params, stats = small_task(
    prediction="x0", clip=False, variance=variance
  )
  batch = batch_of()
  x, t = jnp.asarray(batch["image"]), jnp.full(4, 9)
  denoise = lambda label, g: jax.jit(
    task.denoiser(params, stats, label, guidance=g)
  )(x, t)
  given = denoise(batch["label"], 1.0)
  free = denoise(jnp.full(4, 4), 1.0)
  got = denoise(batch["label"], 2.5)
  expected = free.x0 + 2.5 * (given.x0 - free.x0)
  np.testing.assert_allclose(got.x0, expected, rtol=1e-3, atol=1e-4)
  if variance == "learned":
    np.testing.assert_allclose(got.between, given.between, rtol=1e-3, atol=1e-5)


def test_the_bound_is_an_output_of_an_evaluation():
  task, params, stats = small_task(variance="learned")
  batch = batch_of()
  batch["image"] = np.round((batch["image"] + 1) * 127.5) / 127.5 - 1
  out = jax.jit(task.bits_per_dim(terms=4))(
    params, stats, batch, jax.random.key(0)
  )
  assert out["bits_per_dim"].shape == (4,)
  assert (out["bits_per_dim"] > out["prior_bits"]).all()


def test_prediction_is_the_image_without_its_noise():
  task, params, stats = small_task()
  out = task.predict(params, stats, batch_of(), jax.random.key(0))
  assert out["image"].shape == (4, 8, 8, 3) and out["t"].shape == (4,)


@pytest.mark.parametrize(
  ("options", "sampling", "message"),
  [
    ({}, {"sampler": "dpm"}, "did you mean 'ddpm'"),
    ({}, {"steps": 21}, "expected 1 to 20"),
    ({"num_classes": 0}, {"guidance": 2.0}, "unconditional model"),
    ({"drop_label": 0.0}, {"guidance": 2.0}, "trained with drop_label=0"),
    ({"prediction": "noise"}, {}, "did you mean"),
    ({"drop_label": 2.0}, {}, r"expected \[0, 1\]"),
  ],
)
def test_wrong_options_are_errors(options, sampling, message):
  with pytest.raises(ValueError, match=message):
    draw(options, sampling)


def test_a_learned_variance_needs_a_model_that_gives_it():
  with pytest.raises(ValueError, match="learned_variance=False"):
    Diffusion(SMALL(), diffusion.cosine(20), variance="learned")
  with pytest.raises(ValueError, match="learned_variance=True"):
    Diffusion(SMALL(learned_variance=True), diffusion.cosine(20))


def test_a_conditional_model_without_labels_is_an_error():
  task, params, stats = small_task()
  batch = batch_of()
  del batch["label"]
  with pytest.raises(ValueError, match="needs `label`"):
    task.predict(params, stats, batch, jax.random.key(0))


@pytest.mark.slow
def test_it_learns_one_batch():
  model = SMALL(num_classes=4, multipliers=(1,), attention=())
  task = Diffusion(model, diffusion.cosine(20), "v")
  batch = batch_of(8)
  batch["image"] = np.broadcast_to(batch["image"][:1], batch["image"].shape)
  optimizers = {"model": optax.adam(1e-2)}
  state = create_state(
    task, optimizers, jax.random.key(0), batch, ema={"model": 0.9}
  )
  step = jax.jit(make_train_step(task, optimizers, ema={"model": 0.9}))
  losses = []
  for _ in range(60):
    state, logs = step(state, batch)
    losses.append(float(logs["denoising"]))
  assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def test_a_config_that_guides_what_cannot_be_guided_is_an_error():
  values = {"guidance": "1.5", "drop_label": "0.0"}
  loaded = recipe.load("configs/generation/digits_ddpm.py:tiny", values)
  with pytest.raises(ValueError, match="trained with drop_label=0"):
    loaded.build()
