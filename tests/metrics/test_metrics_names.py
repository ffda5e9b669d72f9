"""Metrics say which names they give, so that no run has to find out."""

import numpy as np
import pytest

from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.by_group import ByGroup
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.captions import CaptionWords
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.cross_retrieval import CrossRetrieval
from vision_jax.metrics.curves import Curves
from vision_jax.metrics.decisions import PrecisionRecallF1
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.metrics.episodes import FewShot
from vision_jax.metrics.generation import METRICS, SampleQuality
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import MeanOf, Recognised
from vision_jax.metrics.likelihood import ImportanceBound
from vision_jax.metrics.mask_threshold import MaskThreshold
from vision_jax.metrics.pixel_curves import PixelCurves
from vision_jax.metrics.retrieval import Retrieval
from vision_jax.metrics.scenes_read import ScenesRead
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.metrics.spread import Spread
from vision_jax.metrics.verification import Verification
from vision_jax.metrics.void import WithVoid

RNG = np.random.default_rng(0)
SEEN = Extractor("net", None, lambda: (None, np.zeros(2)))
INCEPTION = Extractor(
  "inception", None, lambda: (None, np.zeros(2)), published=True
)
MOMENTS = {
  "count": 20.0,
  "pixels_real": 0.0,
  **{f"total_{x}": np.zeros(2) for x in ("real", "fake")},
  **{f"outer_{x}": 20 * np.eye(2) for x in ("real", "fake")},
}
FEATURES = {
  "real": RNG.normal(size=(20, 2)),
  "fake": RNG.normal(size=(20, 2)),
  "logits": RNG.normal(size=(20, 3)),
}
BOXES = {
  "index": np.arange(1),
  **{
    f"{side}_{key}": value
    for side in ("true", "found")
    for key, value in (
      ("boxes", np.array([[[1.0, 1.0, 8.0, 8.0]]])),
      ("label", np.zeros((1, 1), int)),
      ("mask", np.ones((1, 1))),
      ("score", np.ones((1, 1))),
    )
  },
}
CONFUSION = {
  "confusion": np.ones((2, 2)),
  "strange": 0,
  "size": np.array([8, 8]),
  "images": 1,
}
EDGES = {
  **{x: np.ones(2) for x in ("boundary_f1", "boundary_images")},
  "trimap": np.ones((2, 2)),
}
NATS = {"log_likelihood": -9.0, "count": 1.0, "values": 64.0}
COUNTS = {k: np.ones(2) for k in ("guess", "truth", "both")}
COUNTS |= {"count": 2, "binary": 2}
SEVERAL = {"logits": np.eye(2), "label": np.eye(2)}
BINS = {k: np.ones(15) for k in ("hit", "count", "confidence")}
EMBEDDED = {"features": RNG.normal(size=(20, 2)), "label": np.arange(20) % 2}
QUALITY = {"metrics": METRICS, "subsets": 2, "subset_size": 5, "splits": 2}

CASES = {
  "accuracy": (Accuracy((1, 5)), {"top1": 1, "top5": 1, "count": 2}, {}),
  "by_group": (
    ByGroup(Accuracy(), ("hen", "ox")),
    {"top1": np.ones(2), "count": np.ones(2)},
    {},
  ),
  "f1": (
    PrecisionRecallF1(("hen", "ox"), ("macro", "micro", "weighted")),
    COUNTS,
    {},
  ),
  "curves": (Curves(("hen", "ox")), {}, SEVERAL),
  "ece": (CalibrationError(), BINS, {}),
  "threshold": (MaskThreshold(bins=4), {"counts": np.ones((2, 4), int)}, {}),
  "pixels": (
    PixelCurves(),
    {},
    {"score": np.arange(4.0), "truth": np.array([0, 1, 1, 255])},
  ),
  "boxes": (
    BoxThreshold(),
    {"objects": 2},
    {"score": np.ones((1, 2)), "right": np.array([[1, 0]])},
  ),
  "mean": (MeanOf(("bits",)), {"bits": 1.0, "count": 1.0}, {}),
  "recognised": (Recognised(SEEN), {"fake": 1, "real": 1, "count": 2}, {}),
  "scenes_read": (
    ScenesRead(SEEN),
    {
      "count": 2,
      **{
        f"{what}_{which}": 1
        for what in ("captions", "digits", "colours")
        for which in ("fake", "real")
      },
    },
    {},
  ),
  "bound": (ImportanceBound(5), NATS, {}),
  "miou": (Segmentation(2, class_names=("hen", "ox")), CONFUSION, {}),
  "void": (WithVoid(("hen",)), CONFUSION, {}),
  "boundaries": (
    Segmentation(
      2, class_names=("hen", "ox"), boundary_pixels=2, trimap_pixels=3
    ),
    CONFUSION | EDGES,
    {},
  ),
  "void_boundaries": (WithVoid(("hen",), 2, 3), CONFUSION | EDGES, {}),
  "ap": (AveragePrecision(("hen", "ox"), voc=True), {}, BOXES),
  "ap_alone": (AveragePrecision(("hen", "ox"), per_class=False), {}, BOXES),
  "quality": (SampleQuality(SEEN, **QUALITY), MOMENTS, FEATURES),
  "frechet": (SampleQuality(SEEN), MOMENTS, {}),
  "retrieval": (Retrieval((1, 5)), {}, EMBEDDED),
  "cross_retrieval": (
    CrossRetrieval((1, 5)),
    {},
    {"image": np.eye(6), "text": np.eye(6), "caption": np.eye(6)},
  ),
  "captions": (
    CaptionWords({"letters": ("a",)}),
    {},
    {"found": np.full((2, 1), 97), "truth": np.full((2, 1), 97)},
  ),
  "verification": (Verification((0.1, 1e-3)), {}, EMBEDDED),
  "episodes": (FewShot((1, 5), 2, 5, 3), {}, EMBEDDED),
  "spread": (
    Spread(),
    {"sum": np.zeros(2), "square": np.ones(2), "count": 2.0},
    {},
  ),
  "published": (SampleQuality(INCEPTION, **QUALITY), MOMENTS, FEATURES),
}


@pytest.mark.parametrize("name", CASES)
def test_names_are_those_of_the_result(name):
  metric, sums, rows = CASES[name]
  assert sorted(metric.names) == sorted(metric.result(sums, rows))
