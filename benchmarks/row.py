"""A benchmark row, as data.

A row says what is trained, or which published file is evaluated in place of
that, how it is measured, what it is measured against and how far off it may be.
"""

import dataclasses
from collections.abc import Mapping

from vision_jax.errors import UserError

LOSS = "train/loss"


@dataclasses.dataclass(frozen=True)
class Row:
  """One benchmark.

  Attributes:
    name: unique over all suites.
    config: the config file, from the repository's root.
    dataset: what it is trained and tested on, as it stands in results.
    reference: key of the number it stands beside (`benchmarks.references`);
      empty where nothing comparable is published, as on generated scenes.
    protocol: how our number is measured.
    tolerance: how much worse than the reference still counts as reproduced,
      in the metric's unit (a fraction: 0.01 is one point).
    metric: key in `metrics.jsonl`; the last value of a run is taken.
    differs: why our protocol cannot be compared with the reference's; empty
      where it can.
    target: a goal of our own, beside the published number; None for none.
    cause: why what is kept of it falls short of one or the other; said of a
      result that does.
    within: how far off the target a value may be, either way, and the reference
      is then met by as much either way too: for weights that are given, of
      which better is as wrong as worse. None only asks that both be reached.
    overrides: config values that differ from the file's.
    needs: "cpu" (runs anywhere), "gpu" (any accelerator) or "tpu".
    data: what it needs of the folder that VISION_JAX_DATA names: a prepared
      TFDS set or a folder; empty for data that come with the packages.
    own: whether that folder is given to the config as one's own data are, as
      its data_dir.
    made_by: the command that writes that folder; empty where it is published.
    file: what else has to lie in the data folder, such as weights that only
      their owner may hand out; the row's overrides name it too. With a
      `source` the published file, below the folder that VISION_JAX_WEIGHTS
      names.
    source: what that file is, "SOURCE:MODEL", for `--mode=import`: it is
      evaluated, nothing is trained, and there is one seed. "" trains.
    sha256: of that file: another is not what was published.
    backbone: folder of the data folder that is a workdir: its weights are what
      training begins with; its config is `file`, and `made_by` trains it.
    given_as: the key of the config that is told of that folder.
    part: of the net, as "model/backbone": what begins with those weights, by
      the command's --init_from; "" tells the config of them.
    probe: flags of `--mode=probe`: the backbone's features are measured, in one
      draw a seed, and nothing is trained. Metrics are test/logistic, test/ridge
      and test/knn.
    seconds: what a seed should take on the hardware it needs.
    time_to: also report the seconds until `metric` first reached this.
    curve: keys in `metrics.jsonl` whose course over a seed's training is kept
      in the result, besides those of the metric and of the loss.
  """

  name: str
  config: str
  dataset: str
  reference: str
  protocol: str
  tolerance: float
  metric: str = "test/accuracy"
  differs: str = ""
  target: float | None = None
  cause: str = ""
  within: float | None = None
  overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
  needs: str = "cpu"
  data: str = ""
  own: bool = False
  made_by: str = ""
  file: str = ""
  source: str = ""
  sha256: str = ""
  backbone: str = ""
  given_as: str = "init_from"
  part: str = ""
  probe: Mapping[str, str] = dataclasses.field(default_factory=dict)
  seeds: int = 3
  variant: str = ""
  unit: str = "%"
  higher_is_better: bool = True
  also: tuple[str, ...] = ()
  seconds: int = 60
  time_to: float | None = None
  curve: tuple[str, ...] = ()

  def __post_init__(self):
    if self.needs not in ("cpu", "gpu", "tpu"):
      raise UserError(
        f"row {self.name!r}: needs is {self.needs!r}, expected cpu, gpu or tpu"
      )
    if self.tolerance < 0:
      raise UserError(f"row {self.name!r}: tolerance {self.tolerance} < 0")
    if self.source and not (self.file and self.sha256 and self.seeds == 1):
      raise UserError(
        f"row {self.name!r}: has a source; expected a file, its sha256, "
        "and one seed"
      )

  @property
  def curves(self) -> tuple[str, ...]:
    """The keys whose course over training is kept, where a run has them."""
    return tuple(dict.fromkeys((self.metric, LOSS, *self.curve)))

  @property
  def weights(self) -> str:
    """Of which weights the metric is: "raw" or "averaged" ones.

    They are those that the config evaluates for `best`; without a `best`, the
    averaged ones where they are evaluated.
    """
    return "averaged" if "/ema/" in self.metric else "raw"
