"""Metrics of generated images, seen through a feature extractor.

`out` has `image` (b, h, w, c), generated; the batch `image`, real, and `mask`;
both in the extractor's range of values. A metric's name carries the extractor's
name, because its value means nothing without: `frechet_mnist_lenet`. Only with
the published Inception weights are they called `fid`, `kid`, `inception_score`.

What differs from the published protocols, also then:

  fid: of as many generated images as real ones, those of the evaluation. The
    paper and most after it take 50,000 generated ones, and moments of the whole
    training set; fewer give larger values. Images are resized as pytorch-fid
    does it, bilinearly without antialiasing.
  kid: 100 subsets of 1,000 as published, drawn by a fixed seed, out of those
    images. Published values are often times 1,000.
  inception_score: published of 50,000 images in 10 consecutive parts in the
    order of drawing; here of the evaluation's images, and the 10 parts are
    drawn by a fixed seed, so that the data's order, which the labels of a
    conditional model follow, does not count. As published, without the bias of
    the last layer.
  precision_*, recall_*: published of 50,000 images each through VGG-16; here
    through the extractor, whose name they always carry.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.generation_distances import (
  Moments,
  frechet_distance,
  inception_score,
  kernel_distance,
  precision_recall,
)
from vision_jax.metrics.generation_extractor import (
  Extractor,
  check_range,
  outside,
)
from vision_jax.metrics.generation_reference import (
  Reference,
  digest,
  read_reference,
  write_reference,
)

Measured = tuple[dict[str, Array], dict[str, Array]]
METRICS = ("frechet", "kernel", "score", "precision_recall")


@dataclasses.dataclass(frozen=True, eq=False)
class SampleQuality:
  """How generated images compare with real ones, as sets.

  `frechet_<extractor>` (from moments that add in float64 on the host),
  `kernel_<extractor>` and `..._std`, `score_<extractor>` and `..._std`,
  `precision_<extractor>` and `recall_<extractor>` (from features gathered on
  the host). Metrics depend on the numbers of images: state them.

  Attributes:
    extractor: what both sets are seen through.
    metrics: some of "frechet", "kernel", "score", "precision_recall".
    subsets: number of subsets of the kernel distance.
    subset_size: size of a subset of the kernel distance.
    splits: number of splits of the score.
    neighbours: number of neighbours of precision and recall.
    reference: an .npz file of what the real images are like, which are then
      not looked at; where there is none, the first evaluation writes it. One
      of pytorch-fid's will do for the Fréchet distance. All processes have to
      see it. "" keeps nothing.
  """

  extractor: Extractor
  metrics: Sequence[str] = ("frechet",)
  subsets: int = 100
  subset_size: int = 1000
  splits: int = 10
  neighbours: int = 3
  reference: str = ""

  def __post_init__(self):
    unknown = sorted(set(self.metrics) - set(METRICS))
    if unknown or not self.metrics:
      raise UserError(
        f"metrics: got {unknown or 'none'}; expected some of "
        f"{', '.join(METRICS)}."
      )

  @property
  def state(self) -> dict[str, Any]:
    """The extractor's weights and shift."""
    return self.extractor.state

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    name, found = self.extractor.metric, []
    for metric in self.metrics:
      found += map(name, metric.split("_"))
      if metric in ("kernel", "score"):
        found.append(f"{name(metric)}_std")
    return tuple(found)

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums moments, and collects what needs the features themselves."""
    mask = batch["mask"].astype(jnp.float32)
    seen = {"fake": self._features(state, out["image"])}
    if self._kept is None:
      seen["real"] = self._features(state, batch["image"])
    sums = {
      "outside_real": outside(batch["image"], mask, self.extractor),
      "outside_fake": outside(out["image"], mask, self.extractor),
    }
    if "frechet" in self.metrics or self.reference:
      sums["count"] = jnp.sum(mask)
      pixels = jnp.mean(batch["image"], (1, 2, 3))
      sums["pixels_real"] = jnp.sum(jnp.where(mask > 0, pixels, 0))
      for name, of in seen.items():
        x = jnp.where(mask[:, None] > 0, of["features"] - state["shift"], 0)
        sums[f"total_{name}"] = jnp.sum(x, 0)
        highest = jax.lax.Precision.HIGHEST
        sums[f"outer_{name}"] = jnp.matmul(x.T, x, precision=highest)
    rows = {}
    if self._gathers:
      rows |= {name: of["features"] for name, of in seen.items()}
    if "score" in self.metrics:
      rows["logits"] = seen["fake"]["logits"]
    return sums, rows

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Computes the metrics in float64.

    Raises:
      UserError: if there are fewer images than a metric takes, or pixels are
        outside the extractor's range.
    """
    check_range(sums, self.extractor)
    name, found = self.extractor.metric, {}
    if self._kept is not None:
      rows = {**rows, "real": self._kept.features}
    if "frechet" in self.metrics or self.reference:
      real = self._real(sums, rows)
    if "frechet" in self.metrics:
      fake = self.moments(sums, "fake")
      found[name("frechet")] = frechet_distance(real, fake)
    if "kernel" in self.metrics:
      mean, deviation = kernel_distance(
        rows["real"],
        rows["fake"],
        subsets=self.subsets,
        subset_size=self.subset_size,
      )
      found |= {name("kernel"): mean, name("kernel") + "_std": deviation}
    if "score" in self.metrics:
      mean, deviation = inception_score(rows["logits"], self.splits)
      found |= {name("score"): mean, name("score") + "_std": deviation}
    if "precision_recall" in self.metrics:
      precision, recall = precision_recall(
        rows["real"], rows["fake"], self.neighbours
      )
      found |= {name("precision"): precision, name("recall"): recall}
    return found

  @functools.cached_property
  def _kept(self) -> Reference | None:
    """What the file has of real images, when this is first asked."""
    if not self.reference:
      return None
    kept = read_reference(self.reference, self.extractor.name, self._weights)
    if kept is not None and kept.features is None and self._gathers:
      raise UserError(
        f"reference: {self.reference} has no features; expected them, as "
        f"{', '.join(self.metrics)} compare images one by one. Name no file "
        "yet, where one is written."
      )
    return kept

  @property
  def _gathers(self) -> bool:
    """Whether metrics want the features themselves."""
    return bool({"kernel", "precision_recall"} & set(self.metrics))

  @functools.cached_property
  def _weights(self) -> str:
    return digest(self.extractor.state["weights"])

  def _real(self, sums: Mapping[str, Any], rows: Mapping[str, Any]) -> Moments:
    """Returns the real images' moments, kept ones or new ones to keep."""
    count, kept = int(sums["count"]), self._kept
    pixel = float(sums["pixels_real"]) / max(count, 1)
    if kept is not None:
      kept.check(count, pixel, self.reference)
      return kept.moments
    found = self.moments(sums, "real")
    if self.reference and jax.process_index() == 0:
      kept = Reference(found, rows.get("real"), count, pixel)
      write_reference(self.reference, kept, self.extractor.name, self._weights)
    return found

  def moments(self, sums: Mapping[str, Any], which: str) -> Moments:
    """Returns the moments of the "real" or "fake" features from sums."""
    return Moments.from_sums(
      float(sums["count"]),
      sums[f"total_{which}"],
      sums[f"outer_{which}"],
      self.state["shift"],
    )

  def _features(self, state: Any, image: Array) -> Mapping[str, Array]:
    seen = self.extractor.apply(state["weights"], image)
    return jax.tree.map(lambda x: x.astype(jnp.float32), dict(seen))
