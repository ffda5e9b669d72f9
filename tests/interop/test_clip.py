"""CLIP and SigLIP of others: both towers, and classes by their names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import huggingface, parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop.families import clip as family
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.text.image_text import ImageText
from vision_jax.models.text.tower import TextTower
from vision_jax.models.text.zero_shot import zero_shot

IMAGE = {
  "hidden_size": 24,
  "num_hidden_layers": 2,
  "num_attention_heads": 3,
  "intermediate_size": 60,
  "image_size": 32,
  "patch_size": 8,
}
TEXT = {
  "hidden_size": 16,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 40,
  "vocab_size": 30,
  "max_position_embeddings": 9,
  "bos_token_id": 28,
}
# 29 ends a text; the last is of the kind of SigLIP's padding.
TOKENS = np.array([[28, 3, 29, 29, 29], [28, 7, 11, 5, 29], [1, 2, 3, 4, 1]])
TOKENS[2, 3] = 29


@pytest.fixture
def transformers():
  torchvision()
  return library("transformers")


def made(transformers, kind, end=29):
  """Returns a narrow net of transformers, with everything random."""
  get = lambda name: getattr(transformers, f"{kind}{name}")
  more = {"projection_dim": 20} if kind == "CLIP" else {}
  text = {**TEXT, "eos_token_id": end}
  if kind == "Siglip":
    text["projection_size"] = 24
  config = get("Config")(text_config=text, vision_config=IMAGE, **more)
  net = parity.randomise(get("Model")(config))
  net.logit_scale.data.fill_(1.5)
  return net


@pytest.mark.slow
@pytest.mark.parametrize("end", [29, 2])
@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_huggingface(transformers, tmp_path, kind, end):
  """Logits, vectors of texts and of images; an old CLIP's end is said 2."""
  theirs, x = made(transformers, kind, end), parity.images(2, 32, 32, 3)
  model, variables, net = huggingface.read(theirs, tmp_path, x)
  torch = library("torch")
  with torch.no_grad():
    out = theirs(torch.tensor(TOKENS), parity.nchw(x))
    text = theirs.get_text_features(torch.tensor(TOKENS)).pooler_output
    image = theirs.get_image_features(parity.nchw(x)).pooler_output
  apply = lambda *y, **more: model.apply(variables, *y, **more)
  parity.same(apply(x, train=False, tokens=TOKENS), out.logits_per_image)
  parity.same(apply(TOKENS, method="encode_text"), text)
  parity.same(apply(x, method="encode_image"), image)
  parity.same(apply(x, train=False), out.image_embeds)
  assert net.task == "zero_shot" and net.preprocess.interpolation == "bicubic"


def openai(torch):
  """Returns a narrow net with OpenAI's names, of torch's own layers."""
  nn = torch.nn

  class Block(nn.Module):
    def __init__(self, d, heads, mask):
      super().__init__()
      self.attn = nn.MultiheadAttention(d, heads, batch_first=True)
      self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
      self.mlp = nn.ModuleDict(
        {"c_fc": nn.Linear(d, 4 * d), "c_proj": nn.Linear(4 * d, d)}
      )
      self.mask = mask

    def forward(self, x):
      y = self.ln_1(x)
      x = x + self.attn(y, y, y, need_weights=False, attn_mask=self.mask)[0]
      y = self.mlp["c_fc"](self.ln_2(x))
      return x + self.mlp["c_proj"](y * torch.sigmoid(1.702 * y))

  class Transformer(nn.Module):
    def __init__(self, *block):
      super().__init__()
      self.resblocks = nn.Sequential(*(Block(*block) for _ in range(2)))

  class Visual(nn.Module):
    def __init__(self):
      super().__init__()
      self.conv1 = nn.Conv2d(3, 24, 8, 8, bias=False)
      self.class_embedding = nn.Parameter(torch.zeros(24))
      self.positional_embedding = nn.Parameter(torch.zeros(17, 24))
      self.ln_pre, self.ln_post = nn.LayerNorm(24), nn.LayerNorm(24)
      self.transformer = Transformer(24, 3, None)
      self.proj = nn.Parameter(torch.zeros(24, 20))

    def forward(self, x):
      x = self.conv1(x).flatten(2).transpose(1, 2)
      first = self.class_embedding.expand(len(x), 1, 24)
      x = torch.cat([first, x], 1) + self.positional_embedding
      x = self.transformer.resblocks(self.ln_pre(x))
      return self.ln_post(x[:, 0]) @ self.proj

  class Clip(nn.Module):
    def __init__(self):
      super().__init__()
      self.visual = Visual()
      mask = torch.full((9, 9), -torch.inf).triu(1)
      self.transformer = Transformer(16, 2, mask)
      self.token_embedding = nn.Embedding(30, 16)
      self.positional_embedding = nn.Parameter(torch.zeros(9, 16))
      self.ln_final = nn.LayerNorm(16)
      self.text_projection = nn.Parameter(torch.zeros(16, 20))
      self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, x, tokens):
      images = self.visual(x)
      y = self.token_embedding(tokens) + self.positional_embedding
      y = self.ln_final(self.transformer.resblocks(y))
      y = y[torch.arange(len(y)), tokens.argmax(-1)] @ self.text_projection
      images, y = (z / z.norm(dim=1, keepdim=True) for z in (images, y))
      return self.logit_scale.exp() * images @ y.T

  return Clip()


def narrow(**fields):
  """Returns ours, as narrow as those."""
  kind = {"mlp": "gelu_sigmoid", "epsilon": 1e-5, "depth": 2}
  image = ViT(
    *(0, 8, 24),
    **kind,
    heads=3,
    pre_norm=True,
    embedding_bias=False,
  )
  text = TextTower(30, 9, 16, heads=2, **kind)
  return ImageText(image, text, 20, **fields)


@pytest.mark.slow
def test_openai():
  torch = library("torch")
  theirs, x = parity.randomise(openai(torch)), parity.images(2, 32, 32, 3)
  tokens = np.pad(TOKENS, ((0, 0), (0, 4)))
  ours = narrow()
  variables = parity.variables(theirs, family.openai, ours, x)
  with torch.no_grad():
    logits = theirs(parity.nchw(x), torch.tensor(tokens))
  parity.same(ours.apply(variables, x, train=False, tokens=tokens), logits)


def letters(texts, length):
  """A tokenizer of letters, for the tests."""
  found = np.full((len(texts), length), 29)
  for row, text in zip(found, texts, strict=True):
    numbers = [ord(x) % 28 for x in text][: length - 1]
    row[: len(numbers)] = numbers
  return found


@pytest.mark.slow
def test_classes_by_their_names_are_means_of_their_descriptions():
  """As weights, as prompts of the net, and by hand."""
  x = parity.images(2, 32, 32, 3)
  model = narrow()
  variables = model.init(jax.random.key(0), x, train=False)
  names, templates = ("cat", "dog", "emu"), ("a {}", "{}s")
  weights = zero_shot(model, variables, letters, names, templates)
  assert weights.shape == (20, 3)
  tokens = letters([t.replace("{}", n) for n in names for t in templates], 9)
  texts = model.apply(variables, jnp.asarray(tokens), method="encode_text")
  texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
  means = texts.reshape(3, 2, 20).mean(1)
  means = means / np.linalg.norm(means, axis=1, keepdims=True)
  np.testing.assert_allclose(weights, means.T, atol=1e-5)
  # The same without what follows the end: a causal tower does not see it.
  prompts = tuple(
    tuple(map(tuple, one)) for one in tokens.reshape(3, 2, 9)[..., :6].tolist()
  )
  classifier = narrow(prompts=prompts)
  assert classifier.num_classes == 3 and model.num_classes == 0
  images = model.apply(variables, x, train=False)
  logits = classifier.apply(variables, x, train=False)
  scale = np.exp(variables["params"]["logit_scale"])
  np.testing.assert_allclose(logits, images @ weights * scale, atol=1e-4)


def test_a_template_needs_a_place_and_a_text_its_length():
  with pytest.raises(UserError, match=r"'a photo'; expected \{\}"):
    zero_shot(narrow(), {}, letters, ["cat"], ["a photo"])
  with pytest.raises(UserError, match="0 classes and 1 templates"):
    zero_shot(narrow(), {}, letters, [])
  tower = TextTower(30, 9, 16, 1, 2)
  init = lambda x: tower.init(jax.random.key(0), x, train=False)
  with pytest.raises(UserError, match="10 tokens; expected 9"):
    jax.eval_shape(init, np.zeros((1, 10), np.int32))
