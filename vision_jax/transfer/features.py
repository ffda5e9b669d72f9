"""Features of images by a trained net: (n, d), a batch at a time."""

import dataclasses
import io
import pathlib
from collections.abc import Callable

import jax
import numpy as np
from etils import epath

from vision_jax.core.step import make_predict_step
from vision_jax.data.loader import Loader
from vision_jax.data.source import Source
from vision_jax.data.sources.image_list import ImageList
from vision_jax.errors import UserError
from vision_jax.files import replace_bytes
from vision_jax.inference.trained import PREDICT_BATCH, Trained
from vision_jax.transfer.layers import layer_features

Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Features:
  """What a net makes of images.

  Attributes:
    index: positions (n,) in the source of those that could be read, rising.
    values: (n, d) float32.
    labels: (n,) or (n, k); None where the images have none.
  """

  index: np.ndarray
  values: np.ndarray
  labels: np.ndarray | None = None


class Extractor:
  """A trained net up to a layer, compiled once for all images.

  Args:
    trained: a workdir's net and weights, and where it runs.
    layer: whose output, as `layer_features` says.

  Raises:
    UserError: if the run does not predict on images.
  """

  def __init__(self, trained: Trained, layer: str = ""):
    experiment, execution = trained.experiment, trained.execution
    if experiment.predict is None:
      raise UserError(
        "features: this config's Experiment has no `predict`, which says what "
        "images go through; add predict=Predict(transforms) to its build()."
      )
    self._transforms = experiment.predict.transforms
    self._execution, self._weights = execution, trained.weights()
    output = layer_features(experiment.task, layer)
    self._step = execution.eval_step(
      make_predict_step(
        experiment.task, inputs=experiment.inputs, output=output
      )
    )

  def __call__(
    self, source: Source, *, on_bad_image: str = "error"
  ) -> Features:
    """Returns the features of a source's images.

    They go through the transforms of the run's predictions, whatever the
    source.

    Args:
      source: images, with labels or without.
      on_bad_image: "error", or "skip" to leave out what cannot be read.
    """
    loader = Loader(
      source,
      self._transforms,
      batch_size=PREDICT_BATCH,
      shuffle=False,
      on_bad_image=on_bad_image,
    ).rounded(self._execution.divisor)
    key = self._execution.init(lambda: jax.random.key(0))
    parts = []
    with loader:
      shard = loader.shard(*self._execution.share)
      for batch in shard.epoch():
        given = (*self._weights, (), self._execution.put(batch), key)
        rows = jax.device_get(self._step(*given))
        there = (rows["mask"] > 0) & (rows["index"] < len(source))
        parts.append({name: x[there] for name, x in rows.items()})
    whole = {k: np.concatenate([x[k] for x in parts]) for k in parts[0]}
    index, first = np.unique(whole["index"], return_index=True)
    labels = whole["label"][first] if "label" in whole else None
    return Features(index, whole["features"][first], labels)


def write_features(
  trained: Trained,
  images: str,
  output: epath.PathLike,
  *,
  layer: str = "",
  log: Log = print,
) -> None:
  """Writes the features of images to an npz file.

  It has `names` (n,), the files as seen from the folder of all of them;
  `features` (n, d) float32; and `unreadable`, the names of those left out.

  Args:
    trained: a workdir's net and weights.
    images: a file, a folder, a pattern or a list, as `ImageList` takes them.
    output: the file, whose name ends in .npz.
    layer: whose output, as `layer_features` says.
    log: prints a line for the user.
  """
  source = ImageList(images)
  found = Extractor(trained, layer)(source, on_bad_image="skip")
  names = np.array([_name(file, source.folder) for file in source.files])
  read = np.isin(np.arange(len(names)), found.index)
  if jax.process_index() == 0:
    file = io.BytesIO()
    np.savez(
      file,
      names=names[read],
      features=found.values,
      unreadable=names[~read],
    )
    replace_bytes(output, file.getvalue())
    n, d = found.values.shape
    log(f"Written: {output}: names ({n}), features ({n}, {d})")
    if len(bad := names[~read]):
      log(f"Unreadable, left out: {len(bad)}: {', '.join(bad)}")


def _name(file: pathlib.Path, folder: pathlib.Path) -> str:
  folder = folder.absolute()
  return file.absolute().relative_to(folder).as_posix()
