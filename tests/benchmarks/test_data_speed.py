"""The input row of the speed benchmark: its rate, and its conditions."""

import itertools
import types

import pytest

from benchmarks.speed import jpegs
from tests.oracles import library

OURS = ["input/decode_crop", "input/decode_alone"]


@pytest.fixture
def clock(monkeypatch):
  """Half a second goes by from one look at the clock to the next."""
  clock = types.SimpleNamespace(perf_counter=itertools.count(0, 0.5).__next__)
  monkeypatch.setattr(jpegs, "time", clock)


def check(rows, names):
  """Three batches of 8 have taken the 1.5 s that are more than 1.2 s."""
  assert [row["row"] for row in rows] == names
  for row in rows:
    assert row["examples_per_s"] == row["best"] == 16
    assert row["threads"] == 2
    assert row["images"].startswith("256x341 quality 85, ")
    assert 15_000 < int(row["images"].split()[-2]) < 35_000


def test_decoding(clock):
  rows = jpegs.decode_rows(1.2, images=8, batch_size=8, turns=2, torch=())
  check(rows, OURS)


@pytest.mark.slow
def test_decoding_by_torch(clock):
  library("torch")
  rows = jpegs.decode_rows(1.2, images=8, batch_size=8, turns=1, torch=("cv2",))
  check(rows, [*OURS, "input/decode_crop/torch_cv2"])
