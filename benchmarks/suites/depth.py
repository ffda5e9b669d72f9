"""Rows of depth from one image, on generated scenes."""

from benchmarks.row import Row

ERRORS = ("abs_rel", "rmse", "rmse_log", "log10", "delta2", "delta3")

DEPTH = (
  Row(
    name="scenes_depth_cpu",
    config="configs/depth/scenes_depth.py",
    variant="cpu",
    dataset="depth scenes (generated)",
    reference="",
    protocol=(
      "part of the pixels within 1.25 of the true depth, mean over 500 unseen "
      "scenes of 64 x 64, the sky left out, last step"
    ),
    tolerance=0.0,
    metric="test/delta1",
    target=0.85,
    cause="a run of ten minutes; a longer one has not been tried",
    seeds=1,
    also=tuple(f"test/{name}" for name in ERRORS),
    seconds=600,
  ),
)

SUITES = {"depth": DEPTH}
