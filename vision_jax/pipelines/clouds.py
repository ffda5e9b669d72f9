"""From classifier to map: clouds in; loaders and evaluations of tiles out."""

import dataclasses
from collections.abc import Mapping, Sequence

from vision_jax.core.types import Augment, Metric, Output
from vision_jax.data.memory import InMemory
from vision_jax.data.source import Source
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Eval, Predict
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.pixel_curves import PixelCurves
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.sources.clouds import Clouds
from vision_jax.tasks.maps import WindowMaps
from vision_jax.viz.panels import segmentation_panel
from vision_jax.weights import Weights


def cloud_labels(clouds: Clouds, maps: WindowMaps, loading: Loading) -> Data:
  """Returns what a classifier's experiment takes.

  Besides the small images of "test" it is measured as a map of the tiles:
  "slid" and "convolutional", see `WindowMaps`; where tiles have no masks these
  are left out.
  """
  kept = lambda source: InMemory(
    source, [keep("image", "label")], loading.threads
  )
  data = classification(
    train=kept(clouds.train),
    evals={name: kept(source) for name, source in clouds.evals.items()},
    class_names=clouds.names(),
    crop=resize((maps.window, maps.window)),
    loading=loading,
    metrics={"accuracy": Accuracy()},
  )
  outputs = {"slid": maps.slid, "convolutional": maps.convolutional}
  measured = {
    name: map_eval(clouds.measured, loading, output)
    for name, output in outputs.items()
    if clouds.measured is not None
  }
  return dataclasses.replace(data, evals={**data.evals, **measured})


def cloud_masks(
  clouds: Clouds, output: Output, loading: Loading, augment: Augment | None
) -> Data:
  """Returns what the experiment of a net takes that learns from masks.

  Args:
    clouds: with masks.
    output: gives `target` and `probs` of each pixel.
    loading: how examples become batches.
    augment: (batch, key) -> batch, see `mask_augment`.
  """
  evals = {
    name: map_eval(source, loading, output, losses=True)
    for name, source in clouds.evals.items()
  }
  return Data(
    train_data=loading.train(_tiles(clouds.train, loading)),
    evals=evals,
    inputs=normalize(*loading.colours),
    predict=Predict(
      [loading.decode()],
      clouds.names(),
      ("masks", "overlay"),
      show_bands=loading.shown,
      own_size=True,
    ),
    augment=augment,
  )


def map_eval(
  tiles: Source, loading: Loading, output: Output, *, losses: bool = False
) -> Eval:
  """Measures maps of tiles: accuracy, IoU, Dice and areas under the curves."""
  names = tuple(tiles.class_names)
  metrics: Mapping[str, Metric] = {
    "segmentation": Segmentation(len(names), class_names=names),
    "curves": PixelCurves(),
  }
  return Eval(
    loading.evaluation(_tiles(tiles, loading)),
    metrics,
    output=output,
    losses=losses,
    images=lambda batch, out: {
      "predictions": segmentation_panel(batch, out["target"], names)
    },
  )


def encoder_start(path: str, parts: Sequence[str]) -> dict[str, Weights]:
  """Returns what a net begins with of a classifier's workdir.

  Args:
    path: the workdir, or one of its checkpoints; "" starts at random.
    parts: modules that both have by the same names.
  """
  return {f"model/{part}": Weights(path) for part in parts if path}


def _tiles(source: Source, loading: Loading) -> InMemory:
  return InMemory(source, [keep("image", "target")], loading.threads)
