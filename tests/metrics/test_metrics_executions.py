"""What classifiers and masks are measured by is one under every execution."""

import jax
import numpy as np
import pytest
from sklearn import metrics as sklearn

from vision_jax.core.execution import Jit, Pmap
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.experiment import Eval
from vision_jax.metrics.by_group import ByGroup
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.curves import Curves
from vision_jax.metrics.decisions import ConfusionMatrix, PrecisionRecallF1
from vision_jax.metrics.mask_threshold import MaskThreshold
from vision_jax.metrics.pixel_curves import PixelCurves
from vision_jax.train.evaluate import Evaluator

N, NAMES = 37, ("hen", "ox", "cow")  # 37: the last batch is padded
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(N, 3)).astype(np.float32)
ONE = RNG.integers(0, 3, N).astype(np.int32)
SEVERAL = (RNG.random((N, 3)) < 0.4).astype(np.float32)
PROBS = RNG.dirichlet(np.ones(2), (N, 4, 4)).astype(np.float32)
TARGET = RNG.integers(0, 2, (N, 4, 4)).astype(np.uint8)


class Outputs:
  """A task that predicts what the batch says."""

  objectives = ()

  @staticmethod
  def predict(params, stats, batch, key):
    return {key: batch[key] for key in ("logits", "probs")}


def evaluation(label):
  arrays = {"logits": LOGITS, "label": label, "probs": PROBS, "target": TARGET}
  arrays["group"] = np.arange(N, dtype=np.int32) % 2
  metrics = {
    "f1": PrecisionRecallF1(NAMES, ("macro", "micro", "weighted")),
    "confusion": ConfusionMatrix(NAMES, matrix=True),
    "curves": Curves(NAMES),
    "ece": CalibrationError(),
  }
  if label.ndim == 1:
    metrics["masks"] = MaskThreshold()
    metrics["groups"] = ByGroup(Accuracy(), ("even", "odd"))
  loader = Loader(ArraySource(arrays), (), batch_size=16, shuffle=False)
  return Eval(loader, metrics)


def results(data, execution):
  experiment = type("Experiment", (), {"task": Outputs, "evals": {"val": data}})
  experiment.inputs = staticmethod(lambda batch: batch)
  weights = execution.place(({"unused": np.zeros(3)}, {}))  # pmap needs one
  return Evaluator(experiment, execution)(lambda _: weights)


@pytest.mark.parametrize("label", [ONE, SEVERAL], ids=["one", "several"])
def test_metrics_are_one_under_every_execution(label):
  data = evaluation(label)
  found = results(data, Jit(devices=jax.devices()[:1]))
  assert {"val/f1_macro", "val/auc", "val/ece", "val/threshold"} <= {*found}
  for execution in (Jit(), Pmap()):  # of eight devices
    assert results(data, execution) == pytest.approx(found, abs=1e-6)
  data.data.close()


def test_areas_of_pixels_are_one_under_every_execution():
  arrays = {"logits": LOGITS, "probs": PROBS, "target": TARGET}
  loader = Loader(ArraySource(arrays), (), batch_size=16, shuffle=False)
  data = Eval(loader, {"pixels": PixelCurves()})
  score, truth = PROBS[..., 1].ravel(), TARGET.ravel()
  areas = {
    "val/auc": sklearn.roc_auc_score(truth, score),
    "val/average_precision": sklearn.average_precision_score(truth, score),
  }
  for execution in (Jit(devices=jax.devices()[:1]), Jit(), Pmap()):
    assert results(data, execution) == pytest.approx(areas, abs=1e-6)
  data.data.close()
