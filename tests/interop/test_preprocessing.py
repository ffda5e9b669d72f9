"""What images go through is what the sources' own transforms do to them.

On photographs, of all shapes, within one grey level.
"""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.interop import photographs
from tests.oracles import library, torchvision
from vision_jax.data.images import decode_image
from vision_jax.data.transforms.preprocess import (
  IMAGENET_MEAN,
  IMAGENET_STD,
  METHODS,
  Preprocess,
)
from vision_jax.interop import published
from vision_jax.interop.readers.folder import PREPROCESSOR
from vision_jax.ops.inputs import normalize

SOURCES = published.sources()
IMAGES = photographs.of_all_shapes


def pixels(given, image):
  """Returns an image (h, w, 3) uint8 of the published size."""
  return given.transform()({"image": image}, None)["image"]


def seen(given, image):
  """Returns an image (h, w, 3) float32 as a net sees it."""
  batch = {"image": pixels(given, image)[None]}
  return np.asarray(normalize(*given.colours)(batch)["image"][0])


def check(given, theirs):
  """Asserts that all photographs become theirs: name -> (h, w, 3) uint8."""
  for name, image in IMAGES().items():
    ours, wanted = pixels(given, image), theirs(image)
    assert ours.shape == wanted.shape, name
    far = np.abs(ours.astype(int) - wanted).max()
    assert far <= 1, f"{name}: {far} grey levels"


def check_seen(given, theirs, few=0.0):
  """Asserts likewise of what nets see, but for a `few` of all pixels."""
  grey = np.asarray(given.colours[1]) * 255
  for name, image in IMAGES().items():
    ours, wanted = seen(given, image), theirs(image)
    assert ours.shape == wanted.shape, name
    far = np.abs((ours - wanted) * grey)
    assert np.mean(far > 1.01) <= few, f"{name}: {far.max()} grey levels"


def shapes_of_pixels():
  """Returns each distinct way to make an image smaller, of what is published.

  Those of squeezed images, and of images as they are, have a test of their own.
  """
  found = {
    dataclasses.replace(net.preprocess, mean=(0,), std=(1,), largest=1)
    for _, net in SOURCES.values()
    if net.preprocess.size
  }
  name = lambda p: f"{p.size[0]}x{p.size[1]} of {p.resize} {p.interpolation}"
  return dict(sorted((name(p), p) for p in found))  # of every worker alike


PIXELS = shapes_of_pixels()


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXELS)
def test_pixels_are_torchvisions(name):
  given, transforms = PIXELS[name], torchvision().transforms
  assert given.middle == "rounded"
  method = transforms.InterpolationMode[given.interpolation.upper()]
  steps = [
    transforms.Resize(given.resize or given.size, method),
    *([transforms.CenterCrop(given.size)] if given.resize else []),
  ]
  made = transforms.Compose(steps)
  check(given, lambda x: np.asarray(made(Image.fromarray(x))))


@pytest.mark.slow
def test_images_are_timms():
  """Of each distinct `pretrained_cfg` of what is published, colours too."""
  torchvision()
  timm, done = library("timm"), set()
  for name, (_, net) in SOURCES.items():
    if not name.startswith("timm:") or net.preprocess in done:
      continue
    done.add(net.preprocess)
    given = timm.models.get_pretrained_cfg(name.partition(":")[2])
    config = timm.data.resolve_data_config(pretrained_cfg=given.to_dict())
    made = timm.data.create_transform(**config, is_training=False)
    check_seen(
      net.preprocess,
      lambda x, made=made: made(Image.fromarray(x)).numpy().transpose(1, 2, 0),
    )
  assert len(done) > 5


SIDE = {"vision_config": {"image_size": 224}, "text_config": {}}
# What transformers' processors are given beyond their own values, as the
# preprocessor_config.json of what is published has it.
PROCESSORS = {
  "vit": ("ViT", {}, {}),
  "vit at 384": ("ViT", {"image_size": 384}, {"size": (384, 384)}),
  "deit": ("DeiT", {}, {"image_std": "imagenet"}),
  "convnext": ("ConvNext", {}, {"size": 224, "image_std": "imagenet"}),
  "convnext at 384": (
    "ConvNext",
    {"image_size": 384},
    {"size": 384, "image_std": "imagenet"},
  ),
  "resnet": ("ConvNext", {}, {"size": 224, "image_std": "imagenet"}),
  "swin": ("ViT", {}, {"image_std": "imagenet", "resample": 3}),
  "vit_mae": ("ViT", {}, {"image_std": "imagenet"}),
  "dinov2": ("Bit", {}, {"size": 256, "image_std": "imagenet"}),
  "clip": ("CLIP", SIDE, {}),
  "siglip": ("Siglip", SIDE, {"size": (224, 224), "image_mean": [0.5] * 3}),
}
IMAGENET = {"image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD}


def processor(kind, more, backend):
  """Returns a processor of transformers: image (h, w, 3) -> as a net sees."""
  make = made(kind, more, backend)

  def run(image):
    image = Image.fromarray(image)
    found = make(image, return_tensors="np")["pixel_values"][0]
    return np.asarray(found).transpose(1, 2, 0)

  return run


def made(kind, more, backend):
  """Returns transformers' own, with the values of what is published."""
  torchvision()
  transformers = library("transformers")
  more = dict(more)
  if more.get("image_std") == "imagenet":
    more |= IMAGENET
  size = more.pop("size", None)
  if isinstance(size, tuple):
    more["size"] = dict(zip(("height", "width"), size, strict=True))
  elif size:
    more["size"] = {"shortest_edge": size}
  return getattr(transformers, f"{kind}ImageProcessor{backend}")(**more)


def config_of(name):
  """Returns the least that a config.json of a processor's net says."""
  config = {"model_type": name.split()[0], **PROCESSORS[name][1]}
  if config["model_type"] == "deit":
    config["architectures"] = ["DeiTForImageClassificationWithTeacher"]
  return config


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["", "Pil"])
@pytest.mark.parametrize("name", PROCESSORS)
def test_images_are_transformers(name, backend):
  """Of both backends, which cut odd margins otherwise than torchvision.

  torch rounds between its two passes otherwise than Pillow, in few pixels.
  """
  kind, _, more = PROCESSORS[name]
  net = published.find("huggingface", config_of(name))[1]
  few = 0.0 if backend else 1e-3
  check_seen(net.preprocess, processor(kind, more, backend), few)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSORS)
def test_what_a_processor_writes_is_read(name, tmp_path):
  """Of colours and a size that are not its family's."""
  kind, _, more = PROCESSORS[name]
  colours = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.3, 0.2, 0.1]}
  if "size" not in more and kind == "ViT":
    colours["size"] = (96, 128)
  more = {**more, **colours, "resample": 3}
  made(kind, more, "Pil").save_pretrained(tmp_path)
  config = config_of(name)
  config[PREPROCESSOR] = json.loads((tmp_path / PREPROCESSOR).read_text())
  net = published.find("huggingface", config)[1]
  check_seen(net.preprocess, processor(kind, more, "Pil"))


@pytest.mark.slow
@pytest.mark.parametrize("name", photographs.FILES)
def test_files_are_decoded_as_pillow_does(name):
  ours = decode_image(photographs.path(name).read_bytes())
  far = np.abs(ours.astype(int) - photographs.photograph(name)).max()
  assert far <= 1


@pytest.mark.parametrize("method", METHODS)
def test_a_size_that_is_no_square_fits_into_any_image(method):
  given = Preprocess((24, 48), 32, method)
  for size in ((80, 40), (40, 80), (7, 3), (33, 33)):
    image = np.zeros((*size, 3), np.uint8) + 77
    np.testing.assert_array_equal(pixels(given, image), 77)
