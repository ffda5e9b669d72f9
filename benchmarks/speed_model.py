"""A process that trains one model on random images and times it on demand.

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
import time

from vision_jax import tuning


def main() -> None:
  """Compiles, then serves turns until stdin ends."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--model", required=True)
  parser.add_argument("--batch_size", type=int, required=True)
  parser.add_argument("--dtype", default="float32")
  parser.add_argument("--mode", choices=("train", "infer"), default="train")
  parser.add_argument("--tuning", choices=("auto", "off"), default="auto")
  options = parser.parse_args()
  answers = os.fdopen(os.dup(1), "w")
  if options.tuning == "off":
    os.environ["VISION_JAX_CPU_FORMS"] = "off"
  else:
    tuning.tune_allocator()
    if not options.model.startswith("vit"):
      tuning.tune_convolutions()
  with contextlib.redirect_stdout(sys.stderr):
    turn, about = _prepare(options)
    print(json.dumps(about), file=answers, flush=True)
    for line in sys.stdin:
      print(json.dumps(turn(int(line))), file=answers, flush=True)


def _prepare(options):
  """Returns turn(steps) -> seconds of each step, and what compiling told."""
  import jax

  from vision_jax.core.execution import Jit
  from vision_jax.models import count, listing
  from vision_jax.train.timing import Compilation, peak_bytes

  entry = listing.find(options.model)
  model = entry.make(dtype=options.dtype)
  execution = Jit()
  batch = execution.put(_batch(entry.shape(options.batch_size)))
  build = {"train": _training, "infer": _inference}[options.mode]
  fn, step, state = build(model, batch, execution)
  flops = count.flops(fn, state, batch)
  compiled = Compilation(step, state, batch, devices=execution.devices)
  held = [state]

  def turn(steps: int) -> dict:
    seconds = []
    for _ in range(steps):
      start = time.perf_counter()
      held[0], out = compiled.step(held[0], batch)
      jax.block_until_ready(out)
      seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "peak_bytes": peak_bytes()}

  about = {
    "compile_s": compiled.figures["time/compile_s"],
    "compile_cached": bool(compiled.figures["time/compile_cached"]),
    "flops_per_step": flops,
    "device_kind": jax.devices()[0].device_kind,
    "devices": execution.devices,
  }
  return turn, about


def _batch(shape):
  import numpy as np

  rng = np.random.default_rng(0)
  return {
    "image": rng.normal(size=shape).astype(np.float32),
    "label": rng.integers(0, 10, shape[0]).astype(np.int32),
    "mask": np.ones(shape[0], np.float32),
    "index": np.arange(shape[0], dtype=np.int32),
  }


def _training(model, batch, execution):
  """A training step with SGD and momentum, its compiled form, and a state."""
  import jax

  from vision_jax.core.state import create_state
  from vision_jax.core.step import make_train_step
  from vision_jax.optim.optimizers import sgd
  from vision_jax.tasks.classification import Classification

  task, txs = Classification(model), {"model": sgd(1e-3)}
  key = jax.random.key(0)
  state = execution.init(lambda: create_state(task, txs, key, batch))
  step = make_train_step(task, txs)
  return step, execution.train_step(step, state), state


def _inference(model, batch, execution):
  """The forward pass, its compiled form, and the weights."""
  import jax

  make = lambda: model.init(jax.random.key(0), batch["image"], train=False)
  weights = execution.init(make)

  def step(weights, batch):
    return weights, model.apply(weights, batch["image"], train=False)

  return step, jax.jit(step), weights


if __name__ == "__main__":
  main()
