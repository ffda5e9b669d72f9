"""From Hugging Face's folders and photographs to outputs, by both doors.

Every leaf of each net is random; the folder is written as a whole, in shards
and as torch's file; images are made by transformers' processors.
"""

import functools
import shutil

import numpy as np
import pytest
from PIL import Image

import vision_jax
from tests.interop import parity
from tests.interop.end_to_end import spread_positions
from tests.interop.test_clip import IMAGE, TEXT
from tests.interop.test_ddpm import CONFIG as DDPM
from tests.interop.test_detr import config_of, spread
from tests.interop.test_end_to_end import apply, loaded, photos, same
from tests.interop.test_preprocessing import PROCESSORS, processor
from tests.oracles import library, torchvision

pytestmark = pytest.mark.slow
NARROW = {
  "hidden_size": 24,
  "num_hidden_layers": 2,
  "num_attention_heads": 3,
  "intermediate_size": 60,
}
NET, CLASSIFIER = "Model", "ForImageClassification"
LABELS = {"num_labels": 7}
BOTH = {
  "text_config": {**TEXT, "eos_token_id": 29},
  "vision_config": {**IMAGE, "image_size": 224, "patch_size": 32},
}


def _siglip():
  """Both towers of SigLIP end with one width."""
  text = BOTH["text_config"] | {"projection_size": IMAGE["hidden_size"]}
  return BOTH | {"text_config": text}


logits = lambda y: y.logits
cls = lambda y: y.last_hidden_state[:, 0]
# model_type -> name in transformers, its suffix, its config, what it returns.
NETS = {
  "vit": ("ViT", CLASSIFIER, NARROW | LABELS, logits),
  "deit": (
    "DeiT",
    "ForImageClassificationWithTeacher",
    {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    | LABELS,
    logits,
  ),
  "dinov2": ("Dinov2", NET, NARROW | {"image_size": 224}, cls),
  "dinov2_with_registers": (
    "Dinov2WithRegisters",
    CLASSIFIER,
    NARROW | LABELS | {"image_size": 224},
    logits,
  ),
  "vit_mae": ("ViTMAE", NET, NARROW | {"mask_ratio": 0.0}, cls),
  "convnext": (
    "ConvNext",
    CLASSIFIER,
    {"depths": [1] * 4, "hidden_sizes": [8, 12, 16, 20]} | LABELS,
    logits,
  ),
  "resnet": (
    "ResNet",
    CLASSIFIER,
    {
      "depths": [1] * 4,
      "embedding_size": 8,
      "hidden_sizes": [32, 64, 128, 256],
    }
    | LABELS,
    logits,
  ),
  "swin": (
    "Swin",
    CLASSIFIER,
    {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3]} | LABELS,
    logits,
  ),
  "clip": ("CLIP", NET, BOTH | {"projection_dim": 20}, None),
  "siglip": ("Siglip", NET, _siglip(), None),
}
embeds = lambda y: y.image_embeds


@pytest.mark.parametrize("kind", NETS)
def test_outputs_are_transformers(kind, tmp_path):
  torchvision()
  torch, transformers = library("torch"), library("transformers")
  name, suffix, config, out = NETS[kind]
  config = getattr(transformers, f"{name}Config")(**config)
  module = getattr(transformers, f"{name}{suffix}")(config)
  (spread_positions if kind == "swin" else parity.randomise)(module)
  model, variables = loaded(folders(module, tmp_path), "huggingface")
  process, _, more = PROCESSORS[kind.partition("_with")[0]]
  made = processor(process, more, "Pil")
  theirs = np.stack([made(x) for x in photos()])
  images = vision_jax.preprocess(model, photos())
  parity.same(images, theirs, 1e-5)
  with torch.no_grad():
    found = module(pixel_values=parity.nchw(theirs), **more_of(kind, torch))
  expected = (out or embeds)(found)
  same(f"huggingface:{kind}", apply(model, variables, images), expected)


def more_of(kind, torch):
  """Returns what else a module is called with."""
  if kind == "vit_mae":  # the order of its patches
    return {"noise": torch.arange(196.0).repeat(2, 1)}
  if kind in ("clip", "siglip"):
    return {"input_ids": torch.tensor([[28, 3, 29, 29, 29]])}
  return {}


def folders(module, place, file="model.safetensors"):
  """Yields folders of a module, in each format that they are published in."""
  module.save_pretrained(place / "whole")
  assert (place / "whole" / file).is_file()
  yield place / "whole"
  module.save_pretrained(place / "shards", max_shard_size="20KB")
  assert (place / "shards" / f"{file}.index.json").is_file()
  yield place / "shards"
  (place / "torch").mkdir()
  shutil.copy(place / "whole/config.json", place / "torch")
  state = library("safetensors.torch").load_file(place / "whole" / file)
  name = file.partition(".")[0].replace("model", "pytorch_model", 1)
  name = name if file.startswith("model") else file.partition(".")[0]
  library("torch").save(state, place / "torch" / f"{name}.bin")
  yield place / "torch"


def test_outputs_of_detr(tmp_path):
  """Of an image of one size: published are images of their own proportions."""
  torchvision()
  torch, transformers = library("torch"), library("transformers")
  config = config_of("bottleneck")
  options = {k: v for k, v in config.items() if k != "model_type"}
  config = transformers.DetrConfig(**options)
  module = spread(transformers.DetrForObjectDetection(config))
  model, variables = loaded(folders(module, tmp_path), "huggingface")
  images = np.asarray(vision_jax.preprocess(model, photos()[0]))
  height, width = images.shape[1:3]
  image = Image.fromarray(photos()[0]).resize((width, height), 2)
  mean, std = (np.array(x) for x in model_colours())
  wanted = (np.asarray(image) / 255 - mean) / std
  parity.same(images[0], wanted.astype(np.float32), 1e-5)
  with torch.no_grad():
    mask = torch.ones(1, height, width).long()
    expected = module(parity.nchw(images), pixel_mask=mask)
  found = apply(model, variables, images)
  same("huggingface:detr", found["logits"][-1], expected.logits)
  same("huggingface:detr, boxes", found["boxes"][-1], expected.pred_boxes)


def model_colours():
  """Returns DETR's mean and deviation, those of ImageNet."""
  return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_outputs_of_ddpm(tmp_path):
  torchvision()
  torch, diffusers = library("torch"), library("diffusers")
  module = parity.randomise(diffusers.UNet2DModel.from_config(DDPM))
  file = "diffusion_pytorch_model.safetensors"
  module.save_pretrained(tmp_path / "whole")
  assert (tmp_path / "whole" / file).is_file()
  model, variables = loaded([tmp_path / "whole"], "huggingface")
  images = vision_jax.preprocess(model, photos())
  resized = [Image.fromarray(x).resize((16, 16), 2) for x in photos()]
  wanted = np.stack(resized) / np.float32(127.5) - 1
  parity.same(images, wanted, 1e-5)
  times = np.asarray([3, 700], np.float32)
  with torch.no_grad():
    expected = module(parity.nchw(np.asarray(images)), torch.tensor(times))
  run = functools.partial(model.apply, train=False)
  found = run(variables, images, times)
  same("diffusers:ddpm", found, expected.sample.permute(0, 2, 3, 1))
