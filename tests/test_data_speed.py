"""The input row of the speed benchmark runs and says its conditions."""

import pytest

from benchmarks.speed_input import decode_rows


@pytest.mark.parametrize("torch", [(), ("cv2",)])
def test_decode_rows(torch):
  if torch:
    pytest.importorskip(
      "torch",
      reason="the oracle extra is not installed: pip install -e '.[oracle]'",
    )
  rows = decode_rows(0.05, images=8, batch_size=8, turns=1, torch=torch)
  assert len({row["row"] for row in rows}) == 1 + len(torch)
  for row in rows:
    assert row["examples_per_s"] > 0 and row["threads"] == 2
    assert row["images"].startswith("256x341 quality 85, ")
    assert 15_000 < int(row["images"].split()[-2]) < 35_000
