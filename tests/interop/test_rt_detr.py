"""RT-DETR of others: their names, their settings, their outputs."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import leaves, published
from vision_jax.interop.convert import convert
from vision_jax.interop.families import resnet
from vision_jax.interop.families import rt_detr as family
from vision_jax.interop.rules import conv_norm
from vision_jax.interop.tensors import Tensor
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.models.detection.hybrid_encoder import CSPRepLayer
from vision_jax.models.detection.rt_detr import variant

CLASSES = 5
WIDTHS = {"basic": (8, 16, 32, 64), "bottleneck": (32, 64, 128, 256)}


def config_of(kind="basic"):
  """Returns what the config.json of a tiny net of Hugging Face holds.

  Its encoder is wider than its decoder, as R101's.
  """
  return {
    "model_type": "rt_detr",
    "backbone_config": {
      "model_type": "rt_detr_resnet",
      "embedding_size": 8,
      "hidden_sizes": list(WIDTHS[kind]),
      "depths": [2, 1, 1, 1],
      "layer_type": kind,
      "out_features": ["stage2", "stage3", "stage4"],
    },
    "encoder_in_channels": list(WIDTHS[kind][1:]),
    "encoder_hidden_dim": 48,
    "decoder_in_channels": [48] * 3,
    "encoder_ffn_dim": 24,
    "hidden_expansion": 0.5,
    "encoder_attention_heads": 4,
    "d_model": 32,
    "num_queries": 9,
    "decoder_layers": 2,
    "decoder_ffn_dim": 40,
    "decoder_attention_heads": 4,
    "decoder_n_points": 2,
    "id2label": {str(i): f"class{i}" for i in range(CLASSES)},
  }


def body_of(config):
  """Returns the settings of its backbone."""
  options = config["backbone_config"]
  options = {k: v for k, v in options.items() if k != "model_type"}
  return library("transformers").RTDetrResNetConfig(**options)


def huggingface(config):
  """Returns their net with random weights."""
  torch, transformers = library("torch"), library("transformers")
  options = {k: v for k, v in config.items() if k != "model_type"}
  options["backbone_config"] = body_of(config)
  config = transformers.RTDetrConfig(**options)
  module = parity.randomise(transformers.RTDetrForObjectDetection(config))
  with torch.no_grad():
    for name, value in module.state_dict().items():
      if "sampling_offsets.bias" in name:
        value.normal_(0, 2)
  return module


@pytest.mark.slow
def test_huggingface():
  torch, config = library("torch"), config_of()
  theirs, (_, net) = huggingface(config), published.find("", config)
  model, image = net.model(), parity.images(2, 64, 96, 3)
  given = parity.variables(theirs, family.huggingface, model, image)
  real = {"train": False, "image_mask": jnp.ones(image.shape[:3])}  # all of it
  got = jax.jit(lambda v, x: model.apply(v, x, **real))(given, image)
  with torch.no_grad():
    want = theirs(parity.nchw(image))
  layers = lambda x: x.transpose(0, 1)
  parity.same(got["logits"], layers(want.intermediate_logits))
  parity.same(got["boxes"], layers(want.intermediate_reference_points))
  parity.same(got["token_logits"], want.enc_topk_logits)
  parity.same(got["token_boxes"], want.enc_topk_bboxes)
  parity.same(got["logits"][-1], want.logits)
  parity.same(got["boxes"][-1], want.pred_boxes)
  # The outputs vary: the comparison is of more than biases.
  assert np.std(got["boxes"][-1], axis=1).max() > 3e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(WIDTHS))
def test_a_backbones_means_at_odd_ends_are_of_what_is_there(kind):
  torch, config = library("torch"), config_of(kind)
  theirs = library("transformers").RTDetrResNetBackbone(body_of(config))
  parity.randomise(theirs)
  model = resnet.body_of_config(config["backbone_config"])(num_classes=0)
  image = parity.images(1, 40, 56, 3)  # maps of 5 x 7 pixels and of 3 x 4
  given = parity.variables(theirs, resnet.huggingface, model, image)
  apply = lambda v, x: model.apply(v, x, train=False, features=True)
  got = jax.jit(apply)(given, image)
  with torch.no_grad():
    want = theirs(parity.nchw(image)).feature_maps
  assert [got[level].shape[1:3] for level in ("c3", "c4")] == [(5, 7), (3, 4)]
  for level, x in zip(("c3", "c4", "c5"), want, strict=True):
    parity.same(got[level], x.permute(0, 2, 3, 1))


@pytest.mark.slow
def test_halves_as_wide_as_the_result_are_added():
  """Without the convolution that other widths ask for."""
  torch, transformers = library("torch"), library("transformers")
  config = transformers.RTDetrConfig(encoder_hidden_dim=8)
  theirs = transformers.models.rt_detr.modeling_rt_detr.RTDetrCSPRepLayer
  theirs, x = parity.randomise(theirs(config)), parity.images(2, 4, 6, 16)
  conv = conv_norms(train=False, mask=None, activation=jax.nn.silu)
  model = CSPRepLayer(8, 3, False, conv, conv, 1.0)
  layer = r"bottlenecks\.(\d)\.conv(\d)"
  rules = [
    *conv_norm(r"conv(\d)\.conv", r"conv(\d)\.norm", "conv{1}"),
    *conv_norm(rf"{layer}\.conv", rf"{layer}\.norm", "block{1+1}_conv{2}"),
  ]
  shapes = leaves.shapes(jax.eval_shape(model.init, jax.random.key(0), x))
  given = convert(parity.tensors(theirs), rules, shapes, where="the layer")
  with torch.no_grad():
    want = theirs(parity.nchw(x)).permute(0, 2, 3, 1)
  parity.same(jax.jit(model.apply)(leaves.read(given), x), want)


@pytest.mark.slow
def test_a_saved_folder_has_the_names_that_are_read(tmp_path):
  """It has contents of noised boxes too, which only training asks for."""
  torchvision()
  config = config_of()
  huggingface(config).save_pretrained(tmp_path)
  file = library("safetensors.numpy").load_file(tmp_path / "model.safetensors")
  layout, net = published.find("", config)
  assert net.class_names == tuple(f"class{i}" for i in range(CLASSES))
  tensors = {name: Tensor.of(x) for name, x in file.items()}
  image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
  for denoise in (False, True):
    shapes = leaves.shapes(leaves.abstract(net.model(denoise=denoise), image))
    found = convert(tensors, layout(shapes), shapes, where="f")
    assert set(found) == set(shapes)
    assert ("params/label_contents" in found) == denoise


@pytest.mark.slow
def test_the_smallest_has_the_published_number_of_parameters():
  """20 millions; noised boxes' contents are theirs alone."""
  torch, transformers = library("torch"), library("transformers")
  body = transformers.RTDetrResNetConfig(
    hidden_sizes=[64, 128, 256, 512],
    depths=[2, 2, 2, 2],
    layer_type="basic",
    out_features=["stage2", "stage3", "stage4"],
  )
  config = transformers.RTDetrConfig(
    backbone_config=body,
    encoder_in_channels=[128, 256, 512],
    hidden_expansion=0.5,
    decoder_layers=3,
    num_denoising=0,
    num_labels=80,
  )
  with torch.device("meta"):
    theirs = transformers.RTDetrForObjectDetection(config)
  image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
  shapes = leaves.shapes(leaves.abstract(variant("R18", 80), image))
  ours = {k: math.prod(x) for k, x in shapes.items() if "batch_stats" not in k}
  moments = ("running_mean", "running_var", "num_batches_tracked")
  leaf = lambda name: name.rpartition(".")[2]
  state = theirs.state_dict().items()
  want = [x.numel() for name, x in state if leaf(name) not in moments]
  assert sum(ours.values()) == sum(want)
  assert round(sum(want) / 1e6) == 20


def test_an_unknown_variant():
  with pytest.raises(UserError, match="got the variant 'R20'; expected one of"):
    variant("R20", 3)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"num_feature_levels": 4}, "num_feature_levels is 4"),
    ({"learn_initial_query": True}, "learn_initial_query is True"),
    ({"decoder_attention_heads": 2}, "encoder_attention_heads is 4 and decod"),
    ({"backbone_config": {"model_type": "swin"}}, "model_type is 'swin'"),
  ],
)
def test_a_config_of_another_net_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    published.find("", config_of() | change)


def test_images_are_squeezed_into_a_square_and_not_normalized():
  _, net = published.find("", config_of())
  assert (net.preprocess.size, net.preprocess.resize) == ((640, 640), 0)
  assert net.preprocess.colours == ((0.0,) * 3, (1.0,) * 3)
