"""Convolutions of maps smaller than their kernel, in both forms.

`python -m benchmarks.speed.small_maps` prints one JSON object a row: the
convolution and both its gradients as XLA has them and as patches and a product,
in turns, in float32. So one sees where the rule of `ops/convolution.py` lies:
the last of the rows, whose maps are as large as their kernels, have no cliff.
"""

import json
import statistics
from typing import Any

from vision_jax import tuning

if __name__ == "__main__":  # before jax is imported
  tuning.tune_allocator()
  tuning.tune_convolutions()

import jax
import jax.numpy as jnp

from benchmarks.speed.timing import in_turns
from vision_jax.forms.choice import use_forms
from vision_jax.layers.conv import convolve

# batch, side, channels in, out, kernel, stride, padding, dilation
CASES = [
  (32, 1, 512, 512, 3, 1, 1, 1),
  (32, 2, 512, 512, 3, 1, 1, 1),
  (1, 2, 512, 512, 3, 1, 1, 1),
  (32, 2, 64, 64, 3, 1, 1, 1),
  (32, 2, 256, 512, 3, 2, 1, 1),
  (32, 4, 256, 512, 3, 2, 1, 1),
  (32, 4, 256, 256, 3, 1, 0, 1),
  (32, 3, 256, 256, 5, 1, 2, 1),
  (32, 4, 256, 256, 5, 1, 2, 1),
  (32, 6, 128, 128, 7, 1, 3, 1),
  (8, 7, 512, 512, 7, 1, 0, 1),
  (32, 4, 128, 128, 3, 1, 4, 4),
  (8, 14, 256, 256, 3, 1, 18, 18),
  (32, 3, 512, 512, 3, 1, 1, 1),
  (32, 4, 512, 512, 3, 1, 1, 1),
  (32, 5, 256, 256, 5, 1, 2, 1),
]


def rows(cases: list[tuple] = CASES, *, turns: int = 3) -> list[dict[str, Any]]:
  """Returns the rows "convolution/...", one for each of the cases."""
  return [_row(*case, turns=turns) for case in cases]


def _row(b, side, c, d, k, stride, padding, dilation, *, turns):
  x, kernel = jnp.ones((b, side, side, c)), jnp.ones((k, k, c, d))

  def both(x, kernel):
    y, pull = jax.vjp(
      lambda x, kernel: convolve(x, kernel, stride, padding, dilation),
      *(x, kernel),
    )
    return y, pull(y)

  functions = {}
  for form in ("convolution", "patches"):
    with use_forms(conv_1x1="product", small_maps=form):
      fn = jax.jit(lambda *args: both(*args))  # of this form's own
      functions[form] = fn.lower(x, kernel).compile()
  times = in_turns(functions, (x, kernel), turns=turns, calls=3)
  apart = f"/d{dilation}" * (dilation > 1)
  return {
    "row": f"convolution/{side}x{side}/k{k}s{stride}p{padding}{apart}/{c}-{d}",
    "batch_size": b,
    "turn_ms": times,
    "form_ms": {name: statistics.median(ms) for name, ms in times.items()},
    "turns": turns,
  }


def main() -> None:
  """Prints the rows as JSON lines."""
  for case in CASES:
    print(json.dumps(rows([case])[0]), flush=True)


if __name__ == "__main__":
  main()
