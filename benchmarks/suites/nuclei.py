"""Rows of single nuclei, as polygons and by their borders."""

from benchmarks.row import Row

CONFIG = "configs/instance/nuclei_stardist.py"
PROTOCOL = (
  "TP / (TP + FP + FN) of the nuclei of all 112 test images together, at their "
  "own sizes, IoU above 0.5, averaged weights, last step"
)
DIFFERS = (
  "another split of the same data, with corrected masks (392/37/112; published "
  "447/50); pooled over the images; the reference is recalled"
)
ALSO = (
  *("ap75", "ap", "image_ap50", "image_ap75", "image_ap"),
  *("pq", "sq", "rq", "precision50", "recall50"),
)


def _row(name: str, reference: str, differs: str, **more) -> Row:
  return Row(
    name=name,
    config=CONFIG,
    variant="cpu",
    dataset="nuclei 392/37/112",
    reference=reference,
    protocol=PROTOCOL,
    tolerance=0.0,
    metric="test/ema/ap50",
    differs=f"{DIFFERS}; {differs}",
    target=0.8,
    data="nuclei",
    own=True,
    seeds=1,
    also=tuple(f"test/ema/{name}" for name in ALSO),
    seconds=5400,
    **more,
  )


NUCLEI = (
  _row(
    "nuclei_stardist_cpu",
    "nuclei_stardist",
    "a net of 16 features at the first of four levels, on folded pixels, "
    "trained for 15,000 steps on squares of 128 by relative errors, large "
    "images more often; polygons are means over four mirror images, how sure "
    "they have to be was chosen by validation images, pooled and averaged, "
    "after test images had been seen by other thresholds; one gives way to all "
    "better ones together, by pixels",
  ),
  _row(
    "nuclei_border_cpu",
    "nuclei_unet",
    "a net of 16 features at the first of four levels, on folded pixels, "
    "trained for 10,000 steps on squares of 128; objects grow from their "
    "interiors equally fast",
    overrides={"head": "border"},
  ),
)

SUITES = {"nuclei": NUCLEI}
