"""The images that a net is probed on: one's own, a known set's, the run's."""

import dataclasses
from collections.abc import Sequence

from vision_jax.data.source import Source
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.pipelines.sources.labels import LabelData


@dataclasses.dataclass(frozen=True)
class ProbeImages:
  """Images with labels to fit to, and others to measure on.

  Attributes:
    name: what to call them.
    train: what is fitted to.
    measured: what is measured on.
    split: what that is called, "test" or "val".
    class_names: the labels' names; () where they are not known.
  """

  name: str
  train: Source
  measured: Source
  split: str
  class_names: Sequence[str] = ()

  def __post_init__(self):
    for source in (self.train, self.measured):
      if not hasattr(source, "labels"):
        raise UserError(
          f"--mode=probe: {self.name} has no labels; expected images with one "
          "class each. Give your own with --config.data_dir=MY_IMAGES."
        )


def images_of(
  experiment: Experiment,
  *,
  dataset: str = "",
  data_dir: str = "",
  classes: Sequence[str] = (),
  layout: str = "",
  channels: int = 3,
  run: str = "this run",
) -> ProbeImages:
  """Returns train and test of data; val in its place where there is no test.

  Args:
    experiment: the run's, whose own data are taken where no others are named.
    dataset: a data set by name, see `LabelData`; "" with a `data_dir` is a
      folder of one's own.
    data_dir: the folder of either.
    classes: some of a data set's classes; () for all.
    layout: of one's own folder; "" finds it out.
    channels: of the images.
    run: what to call the run.

  Raises:
    UserError: if they have no labels, or nothing to measure on.
  """
  if not (dataset or data_dir):
    return _of_run(experiment, f"the data of {run}")
  data = LabelData(
    dataset or "folder",
    data_dir=data_dir,
    layout=layout,
    channels=channels,
    classes=classes,
  )
  if not dataset:  # so that all splits count its classes alike
    data = dataclasses.replace(data, class_names=data.names())
    data.check()
  split = next(x for x in ("test", "val") if x in data.split_names())
  train = data.open("train")
  names = data.names() or getattr(train, "class_names", ())
  name = dataset or data_dir
  return ProbeImages(name, train, data.open(split), split, tuple(names))


def _of_run(experiment: Experiment, name: str) -> ProbeImages:
  split = next((x for x in ("test", "val") if x in experiment.evals), None)
  sources = [
    getattr(data, "source", None)
    for data in (
      experiment.train_data,
      experiment.evals[split].data if split else None,
    )
  ]
  if None in sources:
    raise UserError(
      f"--mode=probe: {name} evaluates neither test nor val; give images with "
      "--config.data_dir=MY_IMAGES."
    )
  names = experiment.predict.class_names if experiment.predict else ()
  return ProbeImages(name, *sources, split, tuple(names))
