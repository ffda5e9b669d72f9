"""Classifiers of scikit-learn beside a net, by the same images."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from vision_jax.metrics.fitted import Fitted


def test_each_classifier_is_fitted_to_the_reference_alone():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(300, 4)).astype(np.float32)
  label = (x[:, 0] > 0).astype(int)
  known = {"features": x[:200], "label": label[:200]}
  asked = {"features": x[200:], "label": label[200:]}
  metric = Fitted({"line": LogisticRegression, "near": KNeighborsClassifier})
  got = metric.result({}, asked, known)
  assert (*got,) == metric.names == ("line", "near")
  by_hand = LogisticRegression().fit(x[:200], label[:200])
  assert got["line"] == by_hand.score(x[200:], label[200:]) > 0.9
  # The labels that are asked for are not seen: turned round, none is right.
  turned = metric.result({}, asked | {"label": 1 - label[200:]}, known)
  assert turned == pytest.approx({k: 1 - got[k] for k in got})
