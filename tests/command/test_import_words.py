"""Nets without classes as workdirs: described in words, or with a new head."""

import json

import numpy as np
import pytest

import vision_jax
from tests.interop import parity
from tests.oracles import library, torchvision
from tests.programs.command import call
from tests.programs.files import write_folder
from vision_jax.data.text.tokenizer import of_bytes

NARROW = {
  "hidden_size": 16,
  "num_hidden_layers": 1,
  "num_attention_heads": 2,
  "intermediate_size": 32,
}


@pytest.fixture
def transformers():
  torchvision()
  return library("transformers")


def clip(transformers, folder):
  """Saves a narrow CLIP with a tokenizer's files; returns it."""
  vision = {**NARROW, "image_size": 32, "patch_size": 8}
  text = {**NARROW, "vocab_size": 514, "bos_token_id": 512}
  config = transformers.CLIPConfig(
    text_config={**text, "eos_token_id": 513},
    vision_config=vision,
    projection_dim=8,
  )
  net = parity.randomise(transformers.CLIPModel(config))
  net.logit_scale.data.fill_(2.0)
  net.save_pretrained(folder)
  vocabulary = dict(of_bytes().encode.vocabulary)
  (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
  (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
  return net


def imported(file, place, *flags):
  how = ("--mode=import", "--source=huggingface", f"--file={file}")
  return call(*how, f"--output={place}", *flags)


@pytest.mark.slow
def test_classes_in_words(transformers, tmp_path):
  """Logits are transformers'; other words are another classifier."""
  theirs = clip(transformers, tmp_path / "clip")
  place, words = tmp_path / "w", "--config.words=cat,red bus"
  result = imported(tmp_path / "clip", place)
  assert result.code == 2 and "--config.data_dir" in result.err
  result = imported(tmp_path / "clip", place, words)
  assert result.code == 0, result.err
  model, variables = vision_jax.load(place)
  x = parity.images(2, 32, 32, 3)
  tokenizer = transformers.CLIPTokenizer.from_pretrained(tmp_path / "clip")
  texts = ["a photo of a cat.", "a photo of a red bus."]
  tokens = tokenizer(texts, padding=True, return_tensors="pt")
  with library("torch").no_grad():
    out = theirs(pixel_values=parity.nchw(x), **tokens).logits_per_image
  parity.same(model.apply(variables, x, train=False), out)

  data = tmp_path / "images"
  write_folder(data, each=3)
  run = (f"--workdir={place}", f"--config.data_dir={data}")
  result = call("--mode=eval", *run, "--config.words=")
  assert result.code == 0, result.err
  assert "accuracy" in result.out + result.err
  prompts = "--config.prompts={}, small|a drawing of a {}"
  out = tmp_path / "out"
  how = ("--mode=predict", f"--workdir={place}", f"--images={data}")
  result = call(*how, "--config.words=sea,sky", prompts, f"--output={out}")
  assert result.code == 0, result.err
  text = (out / "predictions.jsonl").read_text()
  assert "sea" in text or "sky" in text


@pytest.mark.slow
def test_features_get_a_new_head(transformers, tmp_path):
  config = transformers.Dinov2Config(
    **{k: v for k, v in NARROW.items() if k != "intermediate_size"},
    image_size=28,
    patch_size=14,
  )
  net = parity.randomise(transformers.Dinov2Model(config))
  net.save_pretrained(tmp_path / "dino")
  flags = ("--config.num_classes=3", "--config.preprocess.size=(28,28)")
  flags += ("--config.preprocess.resize=32",)
  result = imported(tmp_path / "dino", tmp_path / "w", *flags)
  assert result.code == 0, result.err
  assert "new: head, which" in result.err
  _, variables = vision_jax.load(tmp_path / "w")
  assert variables["params"]["head"]["kernel"].shape == (16, 3)
  np.testing.assert_array_equal(
    variables["params"]["norm"]["scale"], net.layernorm.weight.detach()
  )
