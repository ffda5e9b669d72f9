"""Latent diffusion: codes of a fixed autoencoder, of either kind."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from tests.programs.command import train as command
from tests.tables import labelled_images
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.errors import UserError
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.latent_autoencoders import AutoencoderKL
from vision_jax.models.generation.vq_vae import VQVAE
from vision_jax.ops import diffusion
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.recipe import recipe
from vision_jax.tasks.kl_autoencoding import KLAutoencoding
from vision_jax.tasks.latent import LatentDiffusion, LatentFlowMatching
from vision_jax.tasks.vector_quantisation import VectorQuantisation
from vision_jax.weights import Weights

KEY = jax.random.key(0)
# Of images of 8x8 with one channel: codes of 4x4 with two.
CODECS = {
  "quantised": VQVAE(1, 8, 2, (4,), hidden=4, blocks=1),
  "normal": AutoencoderKL(1, 2, (4, 4), blocks=1, groups=2, attention=False),
}
TASKS = {"quantised": VectorQuantisation, "normal": KLAutoencoding}
each = pytest.mark.parametrize("kind", CODECS)


def latent(kind="quantised", **fields):
  """A narrow denoiser of codes."""
  net = DDPMUNet(10, 8, (1,), blocks=1, attention=(), groups=4, dropout=0.0)
  path = diffusion.path("rectified")
  return LatentFlowMatching(net, path, autoencoder=CODECS[kind], **fields)


def batch_of(size=4, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"][..., :1])}


def nets_of(task, make=jax.eval_shape):
  return make(lambda: task.init(KEY, batch_of()))


def begun(task):
  """Nets of random weights, cheap to make: nothing is compiled."""
  rng = np.random.default_rng(0)
  draw = lambda x: rng.normal(size=x.shape).astype(np.float32) * 0.3
  params, stats = jax.tree.map(draw, nets_of(task))
  stats["model"]["codes"] = {"mean": np.float32(1), "square": np.float32(5)}
  return params, stats


@each
def test_what_is_denoised_is_a_map_of_codes(kind):
  task, batch = latent(kind), batch_of()
  params, stats = nets_of(task)
  assert set(params) == {"model", "autoencoder"}
  assert params["model"]["conv_in"]["kernel"].shape == (3, 3, 2, 8)
  codes, image = jax.eval_shape(
    lambda *nets: (
      task.encode(*nets, batch["image"]),
      task.sample(*nets, batch, KEY)["image"],
    ),
    *(params, stats),
  )
  assert codes.shape == (4, 4, 4, 2) and image.shape == (4, 8, 8, 1)


def test_sampling_is_one_loop_of_one_program():
  task = latent()
  jaxpr = jax.make_jaxpr(
    lambda *nets: task.sample(*nets, batch_of(), KEY, solver="dpmpp", steps=7)
  )(*nets_of(task))
  loops = [e for e in jaxpr.eqns if e.primitive.name in ("scan", "while")]
  assert [e.params["length"] for e in loops] == [7]
  assert "callback" not in str(jaxpr)


@pytest.mark.slow
@each
def test_scaled_codes_decode_to_what_the_autoencoder_makes(kind):
  task, image = latent(kind), batch_of()["image"]
  params, stats = begun(task)
  again = task.decode(params, stats, task.encode(params, stats, image))
  own = {"params": params["autoencoder"], **stats["autoencoder"]}
  code = CODECS[kind].apply(own, image, method="latent")
  np.testing.assert_allclose(
    task.encode(params, stats, image), (code - 1) / 2, rtol=1e-5, atol=1e-5
  )
  want = CODECS[kind].apply(own, image)
  np.testing.assert_allclose(again, want, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_codes_are_scaled_by_the_first_batch():
  """And no later one; the autoencoder stays as it is."""
  task, optimizers = latent(), {"model": optax.sgd(0.1)}
  state = create_state(task, optimizers, KEY, batch_of(), fixed=["autoencoder"])
  params, stats = begun(task)
  fixed = [{"autoencoder": x["autoencoder"]} for x in (params, stats)]
  step = jax.jit(make_train_step(task, optimizers))
  state, _ = step(state, batch_of(), fixed)
  first = jax.device_get(state.stats["model"]["codes"])
  own = {"params": params["autoencoder"], **stats["autoencoder"]}
  code = task.autoencoder.apply(own, batch_of()["image"], method="latent")
  assert first["mean"] == pytest.approx(float(jnp.mean(code)), rel=1e-4)
  square = float(jnp.mean(code**2))
  assert first["square"] == pytest.approx(square, rel=1e-4)
  state, _ = step(state, batch_of(seed=1), fixed)
  assert jax.device_get(state.stats["model"]["codes"]) == first
  nets = (state.params | fixed[0], state.stats | fixed[1])
  codes = task.encode(*nets, batch_of()["image"])
  assert float(jnp.mean(codes)) == pytest.approx(0, abs=1e-4)
  assert float(jnp.std(codes)) == pytest.approx(1, rel=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """kind -> the workdir of an autoencoder that has been trained."""

  def make(kind):
    workdir = tmp_path_factory.getbasetemp() / f"codec_{kind}"
    if not workdir.exists():
      task, inputs = TASKS[kind](CODECS[kind]), normalize(*SIGNED)
      train(lambda: digits(task, inputs=inputs, augment=None), "one", workdir)
    return workdir

  return make


def of_codes(kind, workdir):
  fixed = {"autoencoder": Weights(str(workdir), part="model")}
  inputs = normalize(*SIGNED)
  return lambda: digits(latent(kind), inputs=inputs, augment=None, fixed=fixed)


@pytest.mark.slow
@each
def test_it_is_the_same_everywhere(kind, trained):
  assert_equal_everywhere(of_codes(kind, trained(kind)), rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(trained, tmp_path):
  assert_resumes(of_codes("quantised", trained("quantised")), tmp_path)


def test_codes_are_not_clipped():
  with pytest.raises(UserError, match="clip: got True; expected False"):
    latent(clip=True)
  net, codec = latent().model, CODECS["normal"]
  task = LatentDiffusion(net, diffusion.cosine(10), autoencoder=codec)
  assert not task.clip
  assert dataclasses.replace(task, prediction="v").autoencoder is codec
  with pytest.raises(UserError, match="expected a task of pixels"):
    task.bits_per_dim()


CONFIG = "configs/generation/mnist_latent.py"


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({}, "got none; expected the workdir of a trained autoencoder"),
    ({"autoencoder": "/no/where"}, "got /no/where, which is not there"),
  ],
)
def test_without_an_autoencoder_the_command_that_trains_one_is_named(
  values, message
):
  with pytest.raises(UserError, match=message) as found:
    recipe.load(CONFIG, values)
  assert "--config=configs/generation/mnist_vqvae.py" in str(found.value)


def test_weights_that_say_no_net_are_asked_for_it(tmp_path):
  file = tmp_path / "codec.safetensors"
  file.write_bytes(b"")
  with pytest.raises(UserError, match="is of no workdir"):
    recipe.load(CONFIG, {"autoencoder": str(file)})


@pytest.mark.slow
def test_a_net_is_that_of_the_autoencoders_workdir(tmp_path):
  workdir = tmp_path / "codec"
  path = "configs/generation/mnist_vqvae.py:tiny"
  command(workdir, config=path, devices=1)
  loaded = recipe.load(f"{CONFIG}:tiny", {
    "autoencoder": str(workdir), "autoencoder_net": ""
  })  # fmt: skip
  with loaded.build() as experiment, recipe.load(path).build() as other:
    assert experiment.task.autoencoder == other.task.model
    assert experiment.fixed["autoencoder"].path == str(workdir)
  command(
    tmp_path / "latent",
    f"--config.autoencoder={workdir}",
    "--config.autoencoder_net=",
    config=f"{CONFIG}:tiny",
    devices=1,
  )
