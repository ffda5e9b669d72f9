"""Images of an evaluation: examples that count, beside their own outputs."""

import types

import numpy as np
import pytest

from tests.data_fixtures import numbered, to_float
from vision_jax.data.loader import Loader
from vision_jax.experiment import Eval
from vision_jax.pipelines.generation_images import COLUMNS, reconstructions
from vision_jax.train.evaluate import Evaluator
from vision_jax.viz.grid import TITLE


class Processes:
  """Stands for an execution of several processes, seen from one of them.

  Inputs are this one's; outputs are everyone's, as after a gather.
  """

  axis, devices, divisor, share = None, 1, 1, (0, 1)

  def __init__(self, everyone):
    self._everyone = everyone

  def init(self, make):
    return make()

  def put(self, batch):
    return batch

  def eval_step(self, step):
    del step
    return lambda *args: {
      "seen": self._everyone["row"],
      "nested": {"twice": 2 * self._everyone["row"]},
      "index": self._everyone["index"],
      "mask": self._everyone["mask"],
    }


def shown(loader, process, count):
  got = []
  everyone = [next(loader.shard(i, count).epoch()) for i in range(count)]
  execution = Processes(
    {k: np.concatenate([b[k] for b in everyone]) for k in everyone[0]}
  )
  shard = types.SimpleNamespace(shard=lambda *_: loader.shard(process, count))
  data = types.SimpleNamespace(rounded=lambda devices: shard)
  draw = lambda batch, out: got.append((batch, out)) or {"x": batch["row"]}
  experiment = types.SimpleNamespace(
    task=types.SimpleNamespace(predict=None),
    inputs=None,
    evals={"val": Eval(data, {}, images=draw)},
  )
  images = Evaluator(experiment, execution).images(lambda which: ((), ()))
  return images, got


@pytest.mark.parametrize(
  ("process", "rows"), [(0, [0, 1, 2, 3]), (1, [4, 5]), (2, [])]
)
def test_inputs_stand_beside_their_own_outputs(process, rows):
  loader = Loader(numbered(6), [to_float()], 12, shuffle=False)
  images, got = shown(loader, process, 3)
  if not rows:
    assert images == {} and got == [], "no image of padding alone"
    return
  ((batch, out),) = got
  assert images.keys() == {"val/x"}
  for part in (batch["row"], out["seen"], out["nested"]["twice"] // 2):
    np.testing.assert_array_equal(part, rows)
  assert batch["mask"].all() and out["mask"].all()


@pytest.mark.parametrize("number", [3, 10, 13])
def test_reconstructions_stand_below_their_images(number):
  """Also where a row of ten is not full."""
  image = np.linspace(0.1, 0.5, number)[:, None, None, None]
  image = np.broadcast_to(image, (number, 32, 32, 1))
  drawn = reconstructions({"image": image}, {"image": image + 0.25})
  # Of 32 pixels, twice as large, with gaps of 2 and a line above each row.
  cells = drawn["reconstructions"][TITLE :: 66 + TITLE, ::66, 0] / 255.0
  for i in range(number):
    row, column = 2 * (i // COLUMNS), i % COLUMNS
    below = cells[row + 1, column] - cells[row, column]
    assert abs(below - 0.25) < 0.01
