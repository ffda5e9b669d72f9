"""The first loss of every config in full, by the forms of every backend.

  python -m tests.programs.first_losses [CONFIG ...]

A form is another way to compute the same (`vision_jax/forms/choice.py`): here
the first loss of each config, in float32, on two made-up examples of its own
size, by XLA's or the paper's forms and by those of an accelerator. Initial
weights are moved a little, as a head of zeros gives the same whatever it is
given.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.memory.command import config_paths
from benchmarks.speed.steps import build
from tests.programs.flags import compile_cheaply
from vision_jax.forms import choice
from vision_jax.planning import made_up

BATCH = 2  # of each class, where a batch has so many
# RandAugment's levels in uint8 round, as Pillow's.
FORMS = {
  "plain": choice.FIRST,
  "cpu": choice.CPU,
  "accelerator": choice.ACCELERATOR | {"levels": "float32"},
}


def first_losses(path, names=("plain", "accelerator")):
  """Returns name of forms -> term -> the first loss of a config's.

  A name is left out where its program is the plain one, and "plain" too where
  all are: then there is nothing to compute.
  """
  _, config = build(path, {})
  batch_size = BATCH * config.get("batch_classes", 1)
  overrides = {"batch_size": str(batch_size)}
  if "dtype" in config:
    overrides["dtype"] = "float32"
  experiment, config = build(path, overrides)
  batch = made_up.batch(experiment, config)
  initial = lambda: experiment.initial_state(jax.random.key(0), batch)
  make = lambda: initial().weights()  # of nets that follow, too
  traced = {}
  for name in names:
    with choice.use_forms(**FORMS[name]):
      shapes = jax.eval_shape(make)
      fn = jax.jit(lambda *args: losses(experiment, *args))
      traced[name] = fn.trace(*shapes, batch)
  programs = {name: str(trace.jaxpr) for name, trace in traced.items()}
  differ = [name for name in names if programs[name] != programs["plain"]]
  if not differ:
    return {}
  params, stats = jax.jit(make)()
  params, found = jax.jit(moved)(params), {}
  for name in ("plain", *differ):
    terms = traced[name].lower().compile()(params, stats, batch)
    found[name] = {term: float(x) for term, x in terms.items()}
  return found


def moved(params):
  """Returns weights with a little noise."""
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(1), len(leaves))
  noisy = lambda x, key: x + 0.02 * jax.random.normal(key, x.shape, x.dtype)
  return tree.unflatten(map(noisy, leaves, keys))


def losses(experiment, params, stats, batch):
  """Every term of the first step's losses, in training."""
  batch, key = experiment.inputs(batch), jax.random.key(2)
  if experiment.augment is not None:
    batch = experiment.augment(batch, key)
  terms = {}
  for objective in experiment.task.objectives:
    found, _ = objective.loss(params, stats, batch, key, step=0, train=True)
    terms |= {name: term.divide() for name, term in found.items()}
  return {name: jnp.asarray(x, jnp.float32) for name, x in terms.items()}


def apart(losses):
  """The largest difference of forms from the plain ones, of a loss's size."""
  plain = losses["plain"]
  far = [
    abs(x - plain[term]) / max(abs(plain[term]), 1e-3)
    for terms in losses.values()
    for term, x in terms.items()
  ]
  return float(np.max(far))  # NaN where one is


def main(*names):
  """Prints the losses, and how far they are apart."""
  for path in names or config_paths():
    losses = first_losses(path, tuple(FORMS))
    same = [name for name in FORMS if name not in losses]
    line = f"{path}: the plain program for {same or 'none'}"
    if losses:
      line += f"; {apart(losses):.1e} apart, {losses['plain']}"
    print(line, flush=True)


if __name__ == "__main__":
  compile_cheaply()
  main(*sys.argv[1:])
