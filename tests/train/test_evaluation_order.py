"""An evaluation keeps the devices busy while the host adds up."""

import types

import pytest

from vision_jax.core.execution import Jit
from vision_jax.train import evaluate
from vision_jax.train.evaluate import EvaluationStopped, Evaluator


@pytest.fixture
def events(monkeypatch):
  """(batches, stop) -> what an evaluation of so many did, in order."""

  def run(batches, stop=lambda: False):
    done = []
    data = types.SimpleNamespace(
      costly=False, weights=("raw",), metrics={}, data=None, reference=None
    )

    class Fake(Evaluator):
      def _loader(self, data):
        return types.SimpleNamespace(epoch=lambda: iter(range(batches)))

      def _compiled(self, name, data):
        def step(params, stats, states, batch, key):
          done.append(f"step {batch}")
          return {"batch": batch}, {}, {}

        return step, {}

      def _results(self, metrics, total, reference):
        return {"sum": float(total.sums["batch"])}

    def fetch(result):
      done.append(f"fetch {result[0]['batch']}")
      return result

    execution = Jit()
    evaluator = Fake(types.SimpleNamespace(evals={"test": data}), execution)
    monkeypatch.setattr(execution, "put", lambda batch: batch)
    with monkeypatch.context() as patch:
      patch.setattr(evaluate.jax, "device_get", fetch)
      try:
        done.append(evaluator(lambda which: ((), ()), stop=stop))
      except EvaluationStopped:
        done.append("stopped")
    return done

  return run


def test_a_result_is_fetched_once_the_next_step_is_dispatched(events):
  assert events(3) == [
    *("step 0", "step 1", "fetch 0", "step 2", "fetch 1", "fetch 2"),
    {"test/sum": 3.0},
  ]
  assert events(1) == ["step 0", "fetch 0", {"test/sum": 0.0}]


def test_a_signal_ends_it_after_the_first_result(events):
  assert events(9, lambda: True) == ["step 0", "step 1", "fetch 0", "stopped"]
