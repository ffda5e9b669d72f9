"""A module of transformers, and ours as its folder describes it."""

import json

import numpy as np

from tests.interop import parity
from tests.oracles import library
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.tensors import Tensor


def read(module, folder, *inputs):
  """Returns ours of a saved module, and its variables.

  Names are those that transformers writes (as the files that are published have
  them) and those of the module by itself: both must be known, and be the same.

  Args:
    module: of transformers, randomised.
    folder: to save it in.
    *inputs: of our module.
  """
  module.save_pretrained(folder)
  config = json.loads((folder / "config.json").read_text("utf-8"))
  layout, net = published.find("huggingface", config)
  model = net.model()
  shapes = leaves.shapes(leaves.abstract(model, *inputs))
  numpy = library("safetensors.numpy")
  saved = {
    name: Tensor.of(x)
    for name, x in numpy.load_file(folder / "model.safetensors").items()
  }
  variables = [
    leaves.read(convert.convert(x, layout(shapes), shapes, where="the module"))
    for x in (parity.tensors(module), saved)
  ]
  for path, x in leaves.flat(variables[0]).items():
    np.testing.assert_array_equal(x, leaves.flat(variables[1])[path])
  return model, variables[0], net


def check(module, folder, x, *, out, **inputs):
  """Asserts that ours gives what a module of transformers gives.

  Args:
    module: randomised here.
    folder: to save it in.
    x: images (b, h, w, c).
    out: takes a tensor out of what the module returns.
    **inputs: more of the module's call.
  """
  parity.randomise(module)
  model, variables, net = read(module, folder, x)
  with library("torch").no_grad():
    theirs = out(module(pixel_values=parity.nchw(x), **inputs))
  parity.same(model.apply(variables, x, train=False), theirs)
  return net
