"""What is published here is what the sources' own metadata says."""

import math

import jax
import jax.numpy as jnp
import pytest

from tests.oracles import library, torchvision
from vision_jax.interop import published
from vision_jax.models import count

pytestmark = pytest.mark.slow
# Their modules make images of mean and deviation 0.5 of ImageNet's.
TURNED = ("googlenet", "inception_v3")
SOURCES = published.sources()
of = lambda source: [n for n in SOURCES if n.partition(":")[0] == source]
does = lambda task: [
  name for name in of("torchvision") if SOURCES[name][1].task == task
]
SEGMENTERS = does("segmentation")
ONE_SIZE = ["torchvision:ssd300_vgg16"]  # see `test_ssd.py`
DETECTORS = [name for name in does("detection") if name not in ONE_SIZE]


def preprocess_of(size, resize, interpolation, mean, std):
  """Returns the same things of a `Preprocess` and of theirs, as a dict."""
  return {
    "size": size,
    "resize": resize,
    "interpolation": interpolation,
    "mean": tuple(mean),
    "std": tuple(std),
  }


def ours(net):
  p = net.preprocess
  return preprocess_of(p.size, p.resize, p.interpolation, p.mean, p.std)


@pytest.mark.parametrize(
  "name",
  [
    n
    for n in of("torchvision")
    if n not in (*SEGMENTERS, *DETECTORS, *ONE_SIZE)
  ],
)
def test_torchvision(name):
  models = torchvision().models
  net = SOURCES[name][1]
  model, _, kind = name.partition(":")[2].partition(".")
  weights = models.get_model_weights(model)
  weights = weights[kind.upper() or "IMAGENET1K_V1"]
  theirs = weights.transforms()
  (size,), (resize,) = theirs.crop_size, theirs.resize_size
  mean, std = theirs.mean, theirs.std
  if model in TURNED:
    mean = std = (0.5,) * 3
  assert ours(net) == preprocess_of(
    (size, size), resize, theirs.interpolation.value, mean, std
  )
  shape = (1, size, size, 3)
  auxiliary = {"auxiliary": True} if model == "inception_v3" else {}
  parameters = count.parameters(net.model(**auxiliary), shape)
  assert parameters == weights.meta["num_params"]


@pytest.mark.parametrize("name", SEGMENTERS)
def test_torchvisions_segmenters(name):
  net = SOURCES[name][1]
  (weights,) = torchvision().models.get_model_weights(name.partition(":")[2])
  theirs = weights.transforms()
  short, (height, width) = theirs.resize_size[0], net.preprocess.size
  assert (height, width) == (short, round(short * 4 / 3))
  found, wanted = ours(net), (theirs.interpolation.value, theirs.mean)
  assert (found["interpolation"], list(found["mean"])) == wanted
  assert list(found["std"]) == theirs.std
  assert list(net.class_names) == weights.meta["categories"]
  # Theirs are files with an auxiliary head, where there is one.
  auxiliary = {"auxiliary": True} if "lraspp" not in name else {}
  parameters = count.parameters(net.model(**auxiliary), (1, 65, 65, 3))
  assert parameters == weights.meta["num_params"]


@pytest.mark.parametrize("name", DETECTORS)
def test_torchvisions_detectors(name):
  """Their sizes; parameters are those of `test_fcos.py` and `test_two_stage`.

  In two stages the background is no class of ours.
  """
  net, models = SOURCES[name][1], torchvision().models
  weights = list(models.get_model_weights(name.partition(":")[2]))[-1]
  categories = weights.meta["categories"]
  people = "keypoint" in name
  assert len(categories) == (2 if people else 91)
  pairs = zip(net.class_names[::-1], categories[::-1], strict=False)
  absent = ("__background__", "N/A", "no person")
  named = [pair for pair in pairs if pair[1] not in absent]
  assert len(named) == (1 if people else 80)
  assert all(a == b for a, b in named)
  make = getattr(models.detection, name.partition(":")[2])
  theirs = make(weights=None, weights_backbone=None).transform
  height, width = net.preprocess.size
  assert theirs.min_size[-1] == height  # of persons one of several
  divisible = theirs.size_divisible
  assert width == -(-theirs.max_size // divisible) * divisible
  found = ours(net)
  assert list(found["mean"]) == theirs.image_mean
  assert list(found["std"]) == theirs.image_std


@pytest.mark.parametrize("name", of("timm"))
def test_timm(name):
  torchvision()
  timm = library("timm")
  net, model = SOURCES[name][1], name.partition(":")[2]
  theirs = timm.models.get_pretrained_cfg(model)
  found = timm.data.resolve_data_config(pretrained_cfg=theirs.to_dict())
  size = found["input_size"][1:]
  resize = math.floor(size[0] / found["crop_pct"])
  assert ours(net) == preprocess_of(
    size, resize, found["interpolation"], found["mean"], found["std"]
  )
  made = net.model(dtype=jnp.bfloat16)
  image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
  make = lambda x: made.init_with_output(jax.random.key(0), x, train=False)
  logits = jax.eval_shape(make, image)[0]
  assert net.num_classes == theirs.num_classes
  if net.num_classes:
    assert logits.shape == (1, net.num_classes)
