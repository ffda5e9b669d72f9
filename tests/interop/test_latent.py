"""Latent diffusion's autoencoders: diffusers' names, settings and outputs."""

import jax
import jax.numpy as jnp
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import published
from vision_jax.interop.families import latent as family
from vision_jax.models.count import parameters
from vision_jax.models.generation.latent_autoencoders import (
  AutoencoderKL,
  VQModel,
)

SHARED = {
  "act_fn": "silu",
  "block_out_channels": [8, 12],
  "down_block_types": ["DownEncoderBlock2D"] * 2,
  "up_block_types": ["UpDecoderBlock2D"] * 2,
  "in_channels": 3,
  "out_channels": 3,
  "layers_per_block": 1,
  "norm_num_groups": 4,
  "sample_size": 16,
}
NORMAL = SHARED | {"_class_name": "AutoencoderKL", "latent_channels": 2}
QUANTISED = SHARED | {
  "_class_name": "VQModel",
  "latent_channels": 3,
  "num_vq_embeddings": 16,
  "vq_embed_dim": 2,
}


def pair(config):
  """Theirs, ours with its weights, and images."""
  torchvision()
  diffusers = library("diffusers")
  kind = getattr(diffusers, config["_class_name"])
  theirs = parity.randomise(kind.from_config(config))
  model, x = published.find("", config)[1].model(), parity.images(2, 16, 8, 3)
  given = parity.variables(theirs, family.diffusers, model, x)
  return theirs, lambda *y, **how: model.apply(given, *y, **how), x


@pytest.mark.slow
@pytest.mark.parametrize(
  "more",
  [
    {},
    {"use_quant_conv": False, "use_post_quant_conv": False},
    {"mid_block_add_attention": False, "layers_per_block": 2},
  ],
  ids=["stable", "no_mixing", "no_attention"],
)
def test_moments_and_images_are_diffusers(more):
  torch = library("torch")
  theirs, ours, x = pair(NORMAL | more)
  with torch.no_grad():
    code = theirs.encode(parity.nchw(x)).latent_dist
    want = theirs.decode(code.mean).sample
  last = lambda y: y.permute(0, 2, 3, 1)
  mean, log_sd = ours(x, method="encode")
  parity.same(mean, last(code.mean))
  parity.same(jnp.exp(log_sd), last(code.std))
  parity.same(ours(x), last(want))


@pytest.mark.slow
def test_codes_and_images_are_diffusers():
  torch = library("torch")
  theirs, ours, x = pair(QUANTISED)
  with torch.no_grad():
    z = theirs.encode(parity.nchw(x)).latents
    vectors, _, (*_, codes) = theirs.quantize(z)
    want = theirs(parity.nchw(x)).sample
  last = lambda y: y.permute(0, 2, 3, 1)
  parity.same(ours(x, method="encode"), last(z))
  found, numbers = ours(last(z).numpy(), method="quantise")
  parity.same(found, last(vectors))
  assert numbers.reshape(-1).tolist() == codes.tolist()
  assert len(set(codes.tolist())) > 2
  parity.same(ours(x), last(want))


@pytest.mark.slow
def test_the_published_one_is_stable_diffusions():
  layout, net = published.find("diffusers:stabilityai/sd-vae-ft-mse")
  assert layout is family.diffusers and net.task == "autoencoding"
  config = NORMAL | {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": 512,
  }
  found = published.find("", config)[1]
  assert found.model() == net.model() and found.preprocess == net.preprocess
  # As many as its file has.
  assert parameters(net.model(), (1, 64, 64, 3)) == 83_653_863


def test_sides_have_to_halve():
  model, x = AutoencoderKL(widths=(8, 8, 8), groups=4), jnp.ones((1, 8, 10, 3))
  with pytest.raises(UserError, match=r"8 x 10 .* divisible by 4"):
    jax.eval_shape(lambda: model.init(jax.random.key(0), x))


@pytest.mark.slow
def test_images_come_out_in_their_size():
  for kind in (AutoencoderKL, VQModel):
    model, x = kind(widths=(8, 8), groups=4), jnp.ones((2, 8, 4, 3))
    run = lambda model=model, x=x: model.init_with_output(jax.random.key(0), x)
    out, variables = jax.eval_shape(run)
    assert out.shape == x.shape and out.dtype == jnp.float32
    z = jax.eval_shape(
      lambda given, model=model, x=x: model.apply(given, x, method="latent"),
      variables,
    )
    assert z.shape == (2, 4, 2, model.features)


@pytest.mark.parametrize(
  ("config", "message"),
  [
    (NORMAL | {"act_fn": "relu"}, "act_fn is 'relu'"),
    (NORMAL | {"use_quant_conv": False}, "use_post_quant_conv is True"),
    (NORMAL | {"out_channels": 1}, "out_channels is 1.*expected 3"),
    (QUANTISED | {"norm_type": "spatial"}, "norm_type is 'spatial'"),
    (
      QUANTISED | {"down_block_types": ["AttnDownEncoderBlock2D"] * 2},
      "down_block_types is .*expected 2 times DownEncoderBlock2D",
    ),
  ],
)
def test_a_config_of_another_net_is_refused(config, message):
  with pytest.raises(UserError, match=message):
    published.find("", config)
