"""A torch module with random weights, beside ours with the same ones."""

import jax.numpy as jnp
import numpy as np

from tests.oracles import library
from vision_jax.interop import convert, leaves
from vision_jax.interop.tensors import Tensor

TOLERANCE = 1e-4  # of the largest output


def randomise(module, seed=0):
  """Draws every leaf of a torch module, running moments too; returns it.

  Weights are scaled by what they take in, so that outputs stay of one size
  however deep the net is.
  """
  torch = library("torch")
  torch.manual_seed(seed)
  with torch.no_grad():
    for name, value in module.state_dict().items():
      if not value.is_floating_point():
        continue
      if name.endswith("running_var"):
        value.uniform_(0.5, 2)
      elif value.ndim > 1:
        value.normal_(0, max(value[0].numel(), 1) ** -0.5)
      elif name.endswith("weight"):
        value.normal_(1, 0.1)  # scales of norms
      else:
        value.normal_(0, 0.1)
  return module.eval()


def tensors(module):
  """Returns a torch module's state as the tensors of a file."""
  return {
    name: Tensor.of(x.numpy().copy()) for name, x in module.state_dict().items()
  }


def variables(module, layout, model, *inputs, **options):
  """Returns our module's variables, converted from a torch module's state.

  Args:
    module: of torch.
    layout: shapes -> rules, of `LAYOUTS` of the family.
    model: our module.
    *inputs: that it is called with, arrays or shapes.
    **options: of its call.
  """
  shapes = leaves.shapes(leaves.abstract(model, *inputs, **options))
  rules = layout(shapes)
  found = convert.convert(tensors(module), rules, shapes, where="the module")
  return leaves.read(found)


def images(*shape, seed=0):
  """Returns random images (b, h, w, c)."""
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def nchw(x):
  """Returns images as a torch tensor (b, c, h, w)."""
  return library("torch").tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def same(ours, theirs, tolerance=TOLERANCE):
  """Asserts that outputs agree within a share of the largest one."""
  ours = np.asarray(ours)
  theirs = theirs if isinstance(theirs, np.ndarray) else theirs.detach().numpy()
  assert ours.shape == theirs.shape
  assert np.isfinite(theirs).all() and np.abs(theirs).max() > 1e-3
  assert np.std(theirs) > 1e-3 * np.abs(theirs).max(), "outputs say nothing"
  np.testing.assert_allclose(
    ours, theirs, rtol=0, atol=tolerance * float(np.abs(theirs).max())
  )


def check(module, layout, model, x, *, out=lambda y: y):
  """Asserts that a torch classifier, randomised, is ours.

  Args:
    module: of torch; is randomised.
    layout: shapes -> rules.
    model: ours.
    x: images (b, h, w, c).
    out: takes the tensor out of what the module returns.
  """
  torch = library("torch")
  randomise(module)
  given = variables(module, layout, model, jnp.asarray(x))
  with torch.no_grad():
    theirs = out(module(nchw(x)))
  same(model.apply(given, x, train=False), theirs)
