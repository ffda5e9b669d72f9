"""Detr's forward pass against transformers' DETR with the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.models.backbones import resnet
from vision_jax.models.detection.detr import Detr

torch = library("torch")
transformers = library("transformers")

BACKBONES = {"basic": (8, 16, 32, 64), "bottleneck": (32, 64, 128, 256)}
_ATTENTION = {"q": "query", "k": "key", "v": "value", "o": "out"}


def oracle(kind):
  """A tiny DETR of transformers with random weights and moments."""
  backbone = transformers.ResNetConfig(
    embedding_size=8,
    hidden_sizes=BACKBONES[kind],
    depths=[1, 2, 1, 1],
    layer_type=kind,
    out_features=["stage4"],
  )
  config = transformers.DetrConfig(
    use_timm_backbone=False,
    use_pretrained_backbone=False,
    backbone=None,
    backbone_config=backbone,
    d_model=32,
    encoder_layers=2,
    decoder_layers=3,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=48,
    decoder_ffn_dim=48,
    num_queries=7,
    num_labels=5,
  )  # auxiliary_loss=True would normalise between the decoder's layers too
  torch.manual_seed(0)
  model = transformers.DetrForObjectDetection(config).eval()
  generator = torch.Generator().manual_seed(1)
  for name, value in [*model.named_parameters(), *model.named_buffers()]:
    scale = "norm" in name and name.endswith("weight")
    if scale or "running_var" in name:
      value.data.uniform_(0.5, 1.5, generator=generator)
    elif value.ndim == 1 and value.is_floating_point():
      value.data.normal_(0, 0.1, generator=generator)
    elif value.ndim == 2:  # so large that queries differ visibly
      spread = 1.0 if "query_position" in name else 0.4
      value.data.normal_(0, spread, generator=generator)
  return model


def ours(kind):
  """The same model here."""
  backbone = resnet.ResNet(
    num_classes=0,
    stages=(1, 2, 1, 1),
    bottleneck=kind == "bottleneck",
    width=8,
    frozen_norm=True,
  )
  return Detr(
    5,
    backbone,
    num_queries=7,
    features=32,
    heads=4,
    hidden=48,
    encoder_layers=2,
    decoder_layers=3,
  )


def copied(model, kind):
  """Returns transformers' weights under our names."""
  state = {k: v.numpy() for k, v in model.state_dict().items()}
  params, stats = {}, {}

  def put(tree, path, value):
    *parents, last = path.split("/")
    for parent in parents:
      tree = tree.setdefault(parent, {})
    tree[last] = jnp.asarray(value)

  def dense(path, name):
    put(params, f"{path}/kernel", state[f"{name}.weight"].T)
    put(params, f"{path}/bias", state[f"{name}.bias"])

  def norm(path, name):
    put(params, f"{path}/scale", state[f"{name}.weight"])
    put(params, f"{path}/bias", state[f"{name}.bias"])

  def conv(path, bn, name):
    kernel = state[f"{name}.convolution.weight"].transpose(2, 3, 1, 0)
    put(params, f"backbone/{path}/kernel", kernel)
    norm(f"backbone/{bn}", f"{name}.normalization")
    for moment in ("mean", "var"):
      value = state[f"{name}.normalization.running_{moment}"]
      put(stats, f"backbone/{bn}/{moment}", value)

  body = "model.backbone.model"
  conv("conv1", "bn1", f"{body}.embedder.embedder")
  for stage, blocks in enumerate((1, 2, 1, 1)):
    for block in range(blocks):
      here = f"{body}.encoder.stages.{stage}.layers.{block}"
      path = f"conv{stage + 2}_{block + 1}"
      for i in range(3 if kind == "bottleneck" else 2):
        conv(f"{path}/conv{i + 1}", f"{path}/bn{i + 1}", f"{here}.layer.{i}")
      if f"{here}.shortcut.convolution.weight" in state:
        short = f"{path}/projection"
        conv(short, f"{short}_bn", f"{here}.shortcut")
  projection = state["model.input_projection.weight"].transpose(2, 3, 1, 0)
  put(params, "projection_c5/kernel", projection)
  put(params, "projection_c5/bias", state["model.input_projection.bias"])
  put(
    params, "query_positions", state["model.query_position_embeddings.weight"]
  )
  norm("decoder_norm", "model.decoder.layernorm")
  dense("class_head", "class_labels_classifier")
  for i in range(3):
    dense(f"box_head/dense{i + 1}", f"bbox_predictor.layers.{i}")
  for side, layers in (("encoder", 2), ("decoder", 3)):
    for i in range(layers):
      here, path = f"model.{side}.layers.{i}", f"{side}{i + 1}"
      attentions = {"self_attention": "self_attn"}
      norms = ["self_attn_layer_norm", "final_layer_norm"]
      if side == "decoder":
        attentions["cross_attention"] = "encoder_attn"
        norms.insert(1, "encoder_attn_layer_norm")
      for to, name in attentions.items():
        for letter, part in _ATTENTION.items():
          dense(f"{path}/{to}/{part}", f"{here}.{name}.{letter}_proj")
      for j, name in enumerate(norms):
        norm(f"{path}/norm{j + 1}", f"{here}.{name}")
      for j in (1, 2):
        dense(f"{path}/dense{j}", f"{here}.mlp.fc{j}")
  return {"params": params, "batch_stats": stats}


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("kind", list(BACKBONES))
def test_forward_equals_transformers(kind, padded):
  theirs, model = oracle(kind), ours(kind)
  variables = copied(theirs, kind)
  rng = np.random.default_rng(0)
  image = rng.normal(size=(2, 64, 96, 3)).astype(np.float32)
  image_mask = np.ones((2, 64, 96), np.float32)
  if padded:
    image_mask[1, 40:], image_mask[1, :, 70:] = 0, 0
  image *= image_mask[..., None]
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), image, train=False)
  )
  same = jax.tree.map(lambda a, b: a.shape == b.shape, shapes, variables)
  assert jax.tree.all(same)
  out = jax.jit(lambda v, x, m: model.apply(v, x, train=False, image_mask=m))(
    variables, image, jnp.asarray(image_mask) if padded else None
  )
  with torch.no_grad():
    expected = theirs(
      torch.from_numpy(image.transpose(0, 3, 1, 2)),
      pixel_mask=torch.from_numpy(image_mask).long(),
    )
  assert np.abs(out["logits"][-1] - expected.logits.numpy()).max() < 1e-4
  assert np.abs(out["boxes"][-1] - expected.pred_boxes.numpy()).max() < 1e-4
  # The outputs vary: the comparison is of more than biases.
  assert np.std(np.asarray(out["boxes"][-1]), axis=1).max() > 3e-3
