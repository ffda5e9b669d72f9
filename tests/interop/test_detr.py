"""DETR of others: their names, their settings, their outputs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import leaves, published
from vision_jax.interop.convert import convert
from vision_jax.interop.families import detr as family
from vision_jax.interop.tensors import Tensor
from vision_jax.models.detection.detr_positions import sine_positions

QUERIES, CLASSES = 7, 5
HIDDEN = {"basic": (8, 16, 32, 64), "bottleneck": (32, 64, 128, 256)}


def config_of(kind, **more):
  """Returns what the config.json of a tiny DETR of Hugging Face holds."""
  return {
    "model_type": "detr",
    "use_timm_backbone": False,
    "backbone": None,
    "backbone_config": {
      "model_type": "resnet",
      "embedding_size": 8,
      "hidden_sizes": list(HIDDEN[kind]),
      "depths": [1, 2, 1, 1],
      "layer_type": kind,
      "out_features": ["stage4"],
    },
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_queries": QUERIES,
    "id2label": {str(i): f"class{i}" for i in range(CLASSES)},
    **more,
  }


def spread(module):
  """Draws a DETR's leaves so that its queries and images differ visibly."""
  torch = library("torch")
  parity.randomise(module)
  with torch.no_grad():
    for name, value in module.state_dict().items():
      if "query" in name and "embed" in name:
        value.normal_(0, 1)
      elif value.ndim == 2:
        value.mul_(1.5)
  return module


def huggingface(config):
  transformers = library("transformers")
  options = {k: v for k, v in config.items() if k != "model_type"}
  # auxiliary_loss=True would normalise between the decoder's layers too
  config = transformers.DetrConfig(**options)
  return spread(transformers.DetrForObjectDetection(config))


def example(padded):
  image = parity.images(2, 64, 96, 3)
  mask = np.ones((2, 64, 96), np.float32)
  if padded:
    mask[1, 40:], mask[1, :, 70:] = 0, 0
  return image * mask[..., None], mask


def outputs(model, variables, image, mask):
  """Returns the last decoder layer's logits and boxes."""
  apply = jax.jit(lambda v, x, m: model.apply(v, x, train=False, image_mask=m))
  out = apply(variables, image, mask)
  return np.asarray(out["logits"][-1]), np.asarray(out["boxes"][-1])


@pytest.mark.slow
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("kind", list(HIDDEN))
def test_huggingface(kind, padded):
  torch, config = library("torch"), config_of(kind)
  theirs, (_, net) = huggingface(config), published.find("", config)
  model, (image, mask) = net.model(), example(padded)
  given = parity.variables(theirs, family.huggingface, model, image)
  got = outputs(model, given, image, jnp.asarray(mask) if padded else None)
  with torch.no_grad():
    want = theirs(parity.nchw(image), pixel_mask=torch.tensor(mask).long())
  parity.same(got[0], want.logits)
  parity.same(got[1], want.pred_boxes)
  # The outputs vary: the comparison is of more than biases.
  assert np.std(got[1], axis=1).max() > 3e-3


@pytest.mark.slow
@pytest.mark.parametrize("timm", [False, True])
def test_a_saved_folder_has_the_names_that_are_read(timm, tmp_path):
  """Files have the names of before version 5; timm's backbone others."""
  torchvision()  # which timm imports
  config = config_of("basic")
  if timm:
    library("timm")
    config |= {
      "use_timm_backbone": True,
      "backbone": "resnet18",
      "backbone_config": None,
      "use_pretrained_backbone": False,
    }
  huggingface(config).save_pretrained(tmp_path)
  file = library("safetensors.numpy").load_file(tmp_path / "model.safetensors")
  layout, net = published.find("", config)
  assert net.class_names == tuple(f"class{i}" for i in range(CLASSES))
  image = np.zeros((1, 32, 32, 3), np.float32)
  shapes = leaves.shapes(leaves.abstract(net.model(), image))
  tensors = {name: Tensor.of(x) for name, x in file.items()}
  assert any("conv_encoder" in name for name in tensors)
  assert set(convert(tensors, layout(shapes), shapes, where="f")) == set(shapes)


def facebook(torch, tv):
  """Returns a tiny net of the paper's code, as its file names the parts."""
  nn = torch.nn
  norm = tv.ops.misc.FrozenBatchNorm2d
  block = tv.models.resnet.Bottleneck
  body = tv.models.resnet.ResNet(block, [1, 1, 1, 1], norm_layer=norm)
  del body.fc
  module = nn.Module()
  module.backbone = nn.ModuleList([nn.Module()])
  module.backbone[0].body = body
  module.transformer = nn.Module()
  layers = {
    "encoder": nn.TransformerEncoderLayer,
    "decoder": nn.TransformerDecoderLayer,
  }
  for side, layer in layers.items():
    part = nn.Module()
    part.layers = nn.ModuleList([layer(32, 4, 48, 0.0) for _ in range(2)])
    setattr(module.transformer, side, part)
  module.transformer.decoder.norm = nn.LayerNorm(32)
  module.input_proj = nn.Conv2d(2048, 32, 1)
  module.query_embed = nn.Embedding(QUERIES, 32)
  module.class_embed = nn.Linear(32, CLASSES + 1)
  module.bbox_embed = nn.Module()
  sizes = (32, 32, 32, 4)
  module.bbox_embed.layers = nn.ModuleList(
    [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
  )
  return module


def run_facebook(torch, module, image, positions):
  """Returns logits and boxes; `positions` (l, d) of the image's tokens."""
  body, transformer = module.backbone[0].body, module.transformer
  x = parity.nchw(image)
  x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
  for stage in (body.layer1, body.layer2, body.layer3, body.layer4):
    x = stage(x)
  x = module.input_proj(x).flatten(2).permute(2, 0, 1)  # (l, b, d)
  position = torch.tensor(positions)[:, None]
  for layer in transformer.encoder.layers:
    key = x + position
    x = layer.norm1(x + layer.self_attn(key, key, x)[0])
    x = layer.norm2(x + layer.linear2(layer.linear1(x).relu()))
  query = module.query_embed.weight[:, None].expand(-1, x.shape[1], -1)
  y = torch.zeros_like(query)
  for layer in transformer.decoder.layers:
    key = y + query
    y = layer.norm1(y + layer.self_attn(key, key, y)[0])
    seen = layer.multihead_attn(y + query, x + position, x)[0]
    y = layer.norm2(y + seen)
    y = layer.norm3(y + layer.linear2(layer.linear1(y).relu()))
  y = transformer.decoder.norm(y).transpose(0, 1)
  first, second, third = module.bbox_embed.layers
  boxes = third(second(first(y).relu()).relu()).sigmoid()
  return module.class_embed(y), boxes


@pytest.mark.slow
def test_classes_are_cocos_numbers():
  torchvision()
  weights = library("torchvision").models.detection
  weights = weights.FasterRCNN_ResNet50_FPN_Weights.DEFAULT
  net = published.find("facebook:detr_r50")[1]
  theirs = weights.meta["categories"]
  assert len(set(net.class_names)) == net.num_classes == len(theirs) == 91
  for i, (ours, name) in enumerate(zip(net.class_names, theirs, strict=True)):
    assert ours == (str(i) if name in ("__background__", "N/A") else name)


@pytest.mark.slow
def test_facebook():
  torch, tv = library("torch"), torchvision()
  module = spread(facebook(torch, tv))
  assert not any("batches" in name for name in module.state_dict())
  config = config_of("bottleneck", encoder_layers=2, decoder_layers=2)
  inner = {"depths": [1] * 4, "embedding_size": 64}
  inner["hidden_sizes"] = [256, 512, 1024, 2048]
  config["backbone_config"] |= inner
  model = published.find("", config)[1].model()
  image, _ = example(padded=False)
  given = parity.variables(module, family.facebook, model, image)
  got = outputs(model, given, image, None)
  # What positions are is another test's, against transformers.
  positions = np.asarray(sine_positions(jnp.ones((1, 2, 3)), 32)).reshape(6, 32)
  with torch.no_grad():
    want = run_facebook(torch, module, image, positions)
  for ours, theirs in zip(got, want, strict=True):
    parity.same(ours, theirs)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"position_embedding_type": "learned"}, "position_embedding_type is 'lea"),
    ({"decoder_ffn_dim": 64}, "encoder_ffn_dim is 48 and decoder_ffn_dim 64"),
    (
      {"backbone_config": None, "backbone": "swin_tiny"},
      "backbone is 'swin_tiny'; expected one of resnet18",
    ),
  ],
)
def test_a_config_of_another_net_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    published.find("", config_of("basic") | change)


@pytest.mark.parametrize(
  "name",
  ["detr_r50", pytest.param("detr_r101_dc5", marks=pytest.mark.slow)],
)
def test_published(name):
  _, net = published.find(f"facebook:{name}")
  image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
  shapes = leaves.shapes(leaves.abstract(net.model(dtype=jnp.bfloat16), image))
  assert shapes["params/class_head/kernel"] == (256, 92)
  assert ("dc5" in name) == net.model().backbone.dilated
