"""ViT, DeiT, DINOv2 and MAE of others: names, outputs, other resolutions."""

import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import huggingface, parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.forms.choice import cpu_forms
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.families import vit as family
from vision_jax.interop.families import vit_google
from vision_jax.interop.tensors import Tensor
from vision_jax.layers import dense
from vision_jax.layers.embeddings import resize_positions
from vision_jax.models.backbones.vit import ViT, dinov2

FIELDS = {"patch": 8, "features": 24, "depth": 2, "heads": 3}
SQUARE, OTHER = (2, 32, 32, 3), (2, 40, 24, 3)
logits = lambda y: y.logits


@pytest.fixture
def transformers():
  torchvision()
  return library("transformers")


@pytest.fixture
def timm():
  torchvision()
  return library("timm")


def config(**more):
  """Returns the keywords of a narrow config of transformers."""
  return {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": 32,
    "patch_size": 8,
    **more,
  }


@pytest.mark.slow
def test_torchvision():
  theirs = torchvision().models.VisionTransformer(32, 8, 2, 3, 24, 96)
  ours = ViT(1000, **FIELDS)
  parity.check(theirs, family.torchvision, ours, parity.images(*SQUARE))


@pytest.mark.slow
@pytest.mark.parametrize(
  "name,fields",
  [
    ("vit_tiny_patch16_224", {}),
    ("deit_tiny_distilled_patch16_224", {"head": "distilled"}),
    (
      "deit3_small_patch16_224",
      {"layer_scale": 1.0, "class_position": False},
    ),
    ("vit_small_patch14_dinov2", {"layer_scale": 1.0}),
    (
      "vit_small_patch14_reg4_dinov2",
      {"layer_scale": 1.0, "class_position": False, "registers": 4},
    ),
    ("vit_giant_patch14_dinov2", {"layer_scale": 1.0, "mlp": "swiglu"}),
  ],
)
def test_timm(timm, name, fields):
  """At the size of its positions and at another."""
  theirs = timm.create_model(
    *(name,),
    img_size=32,
    patch_size=8,
    embed_dim=24,
    depth=2,
    num_heads=3,
    num_classes=7,
    dynamic_img_size=True,
  )
  ours = ViT(7, **FIELDS, **fields, grid=(4, 4), interpolation="cubic")
  for shape in (SQUARE, OTHER):
    parity.check(theirs, family.timm, ours, parity.images(*shape))


@pytest.mark.slow
@pytest.mark.parametrize("on", [True, False], ids=["cpu", "xla"])
def test_huggingface(transformers, tmp_path, monkeypatch, on):
  """In both forms of a dense layer, the large ones too."""
  monkeypatch.setattr(dense, "LARGE_ROWS", 8)
  made = transformers.ViTConfig(**config(intermediate_size=60, num_labels=7))
  theirs = transformers.ViTForImageClassification(made)
  with cpu_forms(on):
    net = huggingface.check(
      *(theirs, tmp_path, parity.images(*SQUARE)), out=logits
    )
  assert net.preprocess.resize == 0 and net.preprocess.mean == (0.5,) * 3
  more = {"interpolate_pos_encoding": True}
  huggingface.check(
    *(theirs, tmp_path, parity.images(*OTHER)), out=logits, **more
  )


@pytest.mark.slow
def test_huggingfaces_pooler_is_the_layer_of_pre_training(
  transformers, tmp_path
):
  theirs = transformers.ViTModel(transformers.ViTConfig(**config()))
  net = huggingface.check(
    *(theirs, tmp_path, parity.images(*SQUARE)),
    out=lambda y: y.pooler_output,
  )
  assert net.task == "features"


@pytest.mark.slow
def test_huggingfaces_deit(transformers, tmp_path):
  made = transformers.DeiTConfig(**config(num_labels=7))
  theirs = transformers.DeiTForImageClassificationWithTeacher(made)
  huggingface.check(*(theirs, tmp_path, parity.images(*SQUARE)), out=logits)
  alone = transformers.DeiTForImageClassification(made)
  with pytest.raises(UserError, match="WithTeacher"):
    huggingface.check(*(alone, tmp_path, parity.images(*SQUARE)), out=logits)


@pytest.mark.slow
@pytest.mark.parametrize(
  "registers,gated", [(False, False), (False, True), (True, False)]
)
def test_huggingfaces_dinov2(transformers, tmp_path, registers, gated):
  """As features of its class token, and as a classifier; at two sizes."""
  kind = "Dinov2WithRegisters" if registers else "Dinov2"
  get = lambda name: getattr(transformers, f"{kind}{name}")
  made = get("Config")(**config(num_labels=7, use_swiglu_ffn=gated))
  for shape in (SQUARE, OTHER):
    images = parity.images(*shape)
    net = huggingface.check(
      *(get("Model")(made), tmp_path / "features", images),
      out=lambda y: y.last_hidden_state[:, 0],
    )
    assert net.task == "features"
    theirs = get("ForImageClassification")(made)
    net = huggingface.check(theirs, tmp_path / "classes", images, out=logits)
    assert net.task == "classification" and len(net.class_names) == 7


@pytest.mark.slow
@pytest.mark.parametrize("decoder", [False, True])
def test_huggingfaces_mae(transformers, tmp_path, decoder):
  """Of all patches, in order; the decoder of a file is left out."""
  made = transformers.ViTMAEConfig(**config(mask_ratio=0.0))
  order = library("torch").arange(16.0).repeat(2, 1)
  if not decoder:
    huggingface.check(
      *(transformers.ViTMAEModel(made), tmp_path, parity.images(*SQUARE)),
      out=lambda y: y.last_hidden_state[:, 0],
      noise=order,
    )
    return
  made = transformers.ViTMAEConfig(
    **config(), decoder_num_hidden_layers=1, decoder_hidden_size=32
  )
  whole = parity.randomise(transformers.ViTMAEForPreTraining(made))
  _, variables, _ = huggingface.read(whole, tmp_path, parity.images(*SQUARE))
  np.testing.assert_array_equal(
    variables["params"]["cls"], whole.vit.embeddings.cls_token.detach()
  )


class Encoderblock(nn.Module):
  """A block as google-research/vision_transformer names its parts."""

  @nn.compact
  def __call__(self, x):
    y = nn.LayerNorm(name="LayerNorm_0")(x)
    x += nn.MultiHeadDotProductAttention(
      3, name="MultiHeadDotProductAttention_1"
    )(y, y)
    y = nn.LayerNorm(name="LayerNorm_2")(x)
    return x + MlpBlock_3(name="MlpBlock_3")(y)


class MlpBlock_3(nn.Module):
  @nn.compact
  def __call__(self, x):
    y = nn.gelu(nn.Dense(96, name="Dense_0")(x))
    return nn.Dense(24, name="Dense_1")(y)


class Positions(nn.Module):
  @nn.compact
  def __call__(self, x):
    init = nn.initializers.normal()
    return x + self.param("pos_embedding", init, (1, *x.shape[1:]))


class Encoder(nn.Module):
  @nn.compact
  def __call__(self, x):
    x = Positions(name="posembed_input")(x)
    for i in range(2):
      x = Encoderblock(name=f"encoderblock_{i}")(x)
    return nn.LayerNorm(name="encoder_norm")(x)


class GoogleViT(nn.Module):
  """Its net, of flax's own layers."""

  pre_logits: bool

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(24, (8, 8), (8, 8), "VALID", name="embedding")(x)
    x = x.reshape(len(x), -1, 24)
    cls = self.param("cls", nn.initializers.normal(), (1, 1, 24))
    x = jnp.concatenate([jnp.tile(cls, (len(x), 1, 1)), x], 1)
    x = Encoder(name="Transformer")(x)[:, 0]
    if self.pre_logits:
      x = jnp.tanh(nn.Dense(24, name="pre_logits")(x))
    return nn.Dense(7, name="head")(x)


@pytest.mark.slow
@pytest.mark.parametrize("pre_logits", [False, True])
def test_google(pre_logits):
  """The names of the npz files; big_vision's are the same within params/."""
  images = parity.images(*SQUARE)
  theirs = GoogleViT(pre_logits)
  params = theirs.init(jax.random.key(0), images)["params"]
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda x: x + 0.1 * rng.normal(size=x.shape), params)
  ours = ViT(7, **FIELDS, pre_logits=pre_logits, mlp="gelu_tanh")
  shapes = leaves.shapes(leaves.abstract(ours, images))
  tensors = {
    name: Tensor.of(np.asarray(x, np.float32))
    for name, x in leaves.flat(params).items()
  }
  rules = vit_google.google(shapes)
  found = convert.convert(tensors, rules, shapes, where="the file")
  expected = np.asarray(theirs.apply({"params": params}, images))
  result = ours.apply(leaves.read(found), images, train=False)
  parity.same(result, expected)
  nested = {f"params/{name}": x for name, x in tensors.items()}
  convert.convert(nested, rules, shapes, where="the file")


@pytest.mark.slow
@pytest.mark.parametrize("new", [(3, 7), (11, 4)])
@pytest.mark.parametrize("method", ["cubic", "cubic_aliased"])
def test_positions_are_resized_as_torch_resizes_images(new, method):
  torch = library("torch")
  table = np.random.default_rng(0).normal(size=(1 + 35, 4)).astype(np.float32)
  ours = resize_positions(table, (5, 7), new, extra=1, method=method)
  image = torch.tensor(table[1:].reshape(1, 5, 7, 4)).permute(0, 3, 1, 2)
  resized = torch.nn.functional.interpolate(
    image, new, mode="bicubic", antialias=method == "cubic"
  )
  theirs = resized.permute(0, 2, 3, 1).reshape(-1, 4)
  parity.same(ours[1:], theirs, 1e-5)
  np.testing.assert_array_equal(ours[0], table[0])


def test_published_images_are_whole_patches_of_published_positions():
  mine = ("vit", "vit_google", "deit", "dinov2", "mae")
  nets = [net for kind, net in published.sources().values() if kind in mine]
  assert len(nets) > 60
  for net in nets:
    model = net.model()
    h, w = net.preprocess.size
    assert h % model.patch == w % model.patch == 0
    same = model.grid == (h // model.patch, w // model.patch)
    assert same or (model.grid == (37, 37) and model.interpolation != "linear")


def test_what_a_net_lacks_is_named_before_anything_is_read():
  """Another activation, a net without biases, an unknown MLP."""
  base = {"model_type": "vit", "architectures": ["ViTForImageClassification"]}
  for more in ({"hidden_act": "relu"}, {"qkv_bias": False}):
    with pytest.raises(UserError, match=r"config\.json: .*(relu|False)"):
      published.find("huggingface", base | more)
  net = functools.partial(ViT, 3, **FIELDS)
  for fields in ({"mlp": "relu"}, {"head": "token"}):
    with pytest.raises(UserError, match=r"got .*(relu|token)"):
      leaves.abstract(net(**fields), np.zeros(SQUARE, np.float32))


def test_dinov2_has_its_fields():
  sizes = itertools.product(("S", "B", "L", "g"), (0, 4))
  made = [ViT(**dinov2(*size)) for size in sizes]
  assert {m.patch for m in made} == {14}
  assert {m.num_classes for m in made} == {0}
  assert [m.mlp for m in made[-2:]] == ["swiglu"] * 2
