"""A process that runs one compiled step on made-up batches, timed on demand.

`benchmarks.speed` starts one for each variant and lets them run in turn: after
one JSON line about compiling, each line read from stdin runs that many steps
and answers with their seconds. So variants that need another environment
(allocator, XLA options) still alternate within one measurement.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vision_jax import tuning

if TYPE_CHECKING:  # it imports jax, which reads the tuning
  from benchmarks.speed.steps import Running


def main() -> None:
  """Compiles, then serves turns until stdin ends."""
  options = parse()
  answers = os.fdopen(os.dup(1), "w")
  with contextlib.redirect_stdout(sys.stderr):
    running = start(options)
    from vision_jax.provenance.machine import peak_bytes

    print(json.dumps(running.about), file=answers, flush=True)
    for line in sys.stdin:
      answer = running.blocks(int(line)) | {"peak_bytes": peak_bytes()}
      print(json.dumps(answer), file=answers, flush=True)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
  """Returns what to run, and how."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--model", default="", help="by its short name")
  parser.add_argument("--config", default="", help="or a config's whole step")
  parser.add_argument("--overrides", type=json.loads, default={})
  parser.add_argument("--batch_size", type=int)
  parser.add_argument("--image_size", type=int, help="a model's own, if not")
  parser.add_argument("--devices", type=int, help="of a model: all, if not")
  parser.add_argument("--dtype", default="float32")
  parser.add_argument("--mode", choices=("train", "infer"), default="train")
  parser.add_argument("--tuning", choices=("auto", "off"), default="auto")
  return parser.parse_args(argv)


def start(options: argparse.Namespace) -> "Running":
  """Tunes this process, imports jax, and returns the compiled program."""
  if options.tuning == "off":
    os.environ["VISION_JAX_CPU_FORMS"] = "off"
  else:
    tune(lambda: _convolutional(options))
  from benchmarks.speed.steps import Running

  return Running(_program(options))


def tune(convolutional: Callable[[], bool]) -> None:
  """Tunes this process as the command does, before jax is imported."""
  tuning.tune_allocator()
  if convolutional():
    tuning.tune_convolutions()
  import jax

  tuning.tune_dispatch(jax.config.update)


def _convolutional(options):
  if options.model:
    return not options.model.startswith("vit")
  from vision_jax.recipe import recipe

  loaded = recipe.load(options.config, options.overrides, resolve=False)
  return loaded.config.convolutional


def _program(options):
  if options.config:
    from benchmarks.speed import steps

    size = options.batch_size
    sized = {"batch_size": str(size)} if size else {}
    return steps.of_config(options.config, options.overrides | sized)
  return _of_model(options)


def _of_model(options):
  import jax

  from benchmarks.speed.steps import Program
  from vision_jax.core.execution import Jit
  from vision_jax.models import count, listing

  entry = listing.find(options.model)
  model = entry.make(dtype=options.dtype)
  execution = Jit(devices=jax.devices()[: options.devices])
  shape = entry.shape(options.batch_size, options.image_size)
  batch = execution.put(made_batch(shape, entry.classifies))
  build = {"train": _training, "infer": _inference}[options.mode]
  fn, compilable, state = build(model, batch, execution)
  flops = count.flops(fn, state, batch)
  return Program(
    *(fn, compilable, state, batch),
    *(options.batch_size, execution.devices, flops),
  )


def made_batch(shape: Sequence[int], labels: bool = True) -> dict[str, Any]:
  """Returns noise (b, h, w, c) with labels, or with targets of two classes."""
  import numpy as np

  rng = np.random.default_rng(0)
  image = rng.normal(size=shape).astype(np.float32)
  name, k, places = ("label", 10, 1) if labels else ("target", 2, 3)
  return {
    "image": image,
    name: rng.integers(0, k, shape[:places]).astype(np.int32),
    "mask": np.ones(shape[0], np.float32),
    "index": np.arange(shape[0], dtype=np.int32),
  }


def _training(model, batch, execution):
  """A training step with SGD and momentum, what compiles it, and a state."""
  import jax

  from vision_jax.core.state import create_state
  from vision_jax.core.step import make_train_step
  from vision_jax.optim.optimizers import sgd
  from vision_jax.tasks.classification import Classification
  from vision_jax.tasks.segmentation import Segmentation

  task = (Classification if "label" in batch else Segmentation)(model)
  txs = {"model": sgd(1e-3)}
  key = jax.random.key(0)
  state = execution.init(lambda: create_state(task, txs, key, batch))
  step = make_train_step(task, txs)
  return step, lambda: execution.train_step(step, state), state


def _inference(model, batch, execution):
  """The forward pass, what compiles it, and the weights."""
  import jax

  make = lambda: model.init(jax.random.key(0), batch["image"], train=False)
  weights = execution.init(make)

  def step(weights, batch):
    return weights, model.apply(weights, batch["image"], train=False)

  return step, lambda: jax.jit(step), weights


if __name__ == "__main__":
  main()
