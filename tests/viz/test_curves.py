"""Curves lie where their values say."""

import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.viz.curves import Line, curves, legend

RED, BLUE = (200, 0, 0), (0, 0, 200)


def rows_of(panel, colour):
  return np.nonzero(np.all(panel == colour, -1))[0]


def test_curves_lie_where_their_values_are():
  lines = [
    Line("high", [1, 1, 1], RED),
    Line("low", [0.25] * 3, BLUE, dashed=True),
  ]
  panel = curves(lines, ticks=["a", "b", "c"], title="t", size=(148, 200))
  assert panel.shape == (148, 200, 3) and panel.dtype == np.uint8
  assert abs(rows_of(panel, RED).mean() - 24) <= 1  # 100 pixels from 24 on
  assert abs(rows_of(panel, BLUE).mean() - 99) <= 1
  dashed, whole = (len(rows_of(panel, x)) for x in (BLUE, RED))
  assert 0.3 * whole < dashed < 0.8 * whole
  names = legend(lines, (148, 200))
  assert rows_of(names, RED).mean() < rows_of(names, BLUE).mean()


def test_bad_input():
  with pytest.raises(UserError, match="high has 2 values; expected 3"):
    curves([Line("high", [1, 1], RED)], ticks=["a", "b", "c"], title="t")
