"""From a file and photographs to outputs, by our door and by the sources' own.

Every leaf of each net is random. A file in each format gives the same leaves
bit by bit; images are made by each side's own transforms; outputs agree within
1e-4 of the largest.
"""

import jax
import numpy as np
import pytest
from PIL import Image

import vision_jax
from tests.interop import parity, photographs
from tests.interop.end_to_end import CLASSES, ROWS
from tests.oracles import library, torchvision
from vision_jax.interop import leaves, published

pytestmark = pytest.mark.slow
LARGE = 2**25  # bytes: of larger files not all formats are written


def photos():
  """Returns two photographs, one lying and one standing, of odd sizes."""
  found = photographs.of_all_shapes()
  return [found["china"], found["odd and standing"]]


def written(module, folder):
  """Yields files of a module's state, in each format that people have it in."""
  torch, state = library("torch"), module.state_dict()
  save = library("safetensors.torch").save_file
  save({k: x.contiguous() for k, x in state.items()}, folder / "a.safetensors")
  yield folder / "a.safetensors"
  torch.save(state, folder / "zip.pth")
  yield folder / "zip.pth"
  if sum(x.nbytes for x in state.values()) > LARGE:
    return
  more = {"epoch": 3, "optimizer": {"state": {}, "param_groups": []}}
  wrapped = {f"module.{name}": x for name, x in state.items()}
  nested = {
    "legacy.pth": state,
    "wrapped.pth": wrapped,
    "nested.pth.tar": {"state_dict": wrapped, **more},
    "model.pth": {"model": state, **more},
  }
  for name, content in nested.items():
    new = name != "legacy.pth"
    path = folder / name
    torch.save(content, path, _use_new_zipfile_serialization=new)
    yield path


def loaded(paths, source, **fields):
  """Returns the model and variables of files, which are all the same."""
  first = None
  for path in paths:
    model, variables = vision_jax.load(path, source, **fields)
    flat = leaves.flat(variables)
    first = first or (model, variables)
    wanted = leaves.flat(first[1])
    assert flat.keys() == wanted.keys()
    for name, x in flat.items():
      np.testing.assert_array_equal(x, wanted[name], f"{path.name}: {name}")
  return first


def transform_of(source):
  """Returns a source's own transform: a photograph -> a tensor (c, h, w)."""
  kind, _, name = source.partition(":")
  if kind == "timm":
    torchvision()
    timm = library("timm")
    config = timm.models.get_pretrained_cfg(name).to_dict()
    config = timm.data.resolve_data_config(pretrained_cfg=config)
    return timm.data.create_transform(**config, is_training=False)
  name, _, version = name.partition(".")
  weights = torchvision().models.get_model_weights(name)
  return weights[version.upper() or "IMAGENET1K_V1"].transforms()


def apply(model, variables, images):
  return jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)


def same(source, ours, theirs):
  """Asserts that outputs agree; prints how well."""
  theirs = np.asarray(theirs)
  far = np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()
  print(f"{source}: {far:.1e} of the largest output")
  parity.same(ours, theirs)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.source)
def test_outputs_are_the_sources(row, tmp_path):
  torch, (_, net) = library("torch"), published.sources()[row.source]
  module = row.draw(row.make())
  classes = {"num_classes": CLASSES} if net.num_classes else {}
  paths = written(module, tmp_path)
  model, variables = loaded(paths, row.source, **classes, **row.fields)
  made = transform_of(row.source)
  theirs = torch.stack([made(Image.fromarray(x)) for x in photos()])
  images = vision_jax.preprocess(model, photos())
  if not getattr(module, "transform_input", False):
    parity.same(images, theirs.permute(0, 2, 3, 1), 1e-5)
  with torch.no_grad():
    expected = module(theirs)
  same(row.source, apply(model, variables, images), expected)
