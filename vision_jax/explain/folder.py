"""Explanations of a user's images, into a folder."""

import importlib
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from vision_jax.core.checks import check_name
from vision_jax.core.types import HostBatch, Variables
from vision_jax.data.loader import Loader
from vision_jax.data.sources.image_list import ImageList
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment, Predict
from vision_jax.explain.filters import filters
from vision_jax.explain.net import Choice, Net
from vision_jax.explain.places import axes, enlarge
from vision_jax.files import to_json
from vision_jax.inference.predict import check_apart
from vision_jax.viz.grid import grid
from vision_jax.viz.heat import overlay_heat
from vision_jax.viz.png import write_png
from vision_jax.writers import base, folder

BATCH = 8
MAPS = 64  # of a layer that are shown
LINES = "explanations.jsonl"
WRITTEN = r".*\.(png|jsonl)"
Log = Callable[[str], None]


def explain_folder(
  experiment: Experiment,
  weights: Variables,
  images: str,
  output: epath.PathLike,
  method: str,
  choice: Choice,
  *,
  log: Log = print,
) -> None:
  """Writes NAME.png for each image, of its own size, and a line of it each.

  Args:
    experiment: what was trained; its `predict` says how images come.
    weights: parameters and statistics.
    images: the images, as `ImageList` takes them.
    output: the folder.
    method: out of METHODS, but "filters".
    choice: layer and class.
    log: prints a line for the user.

  Raises:
    UserError: if the method is not of this net, there are no images, or the
      folder has results of an earlier call.
  """
  how, source = experiment.predict, ImageList(images)
  check_apart(source.folder, epath.Path(output))
  folder.check_fresh(output, WRITTEN)
  names = folder.names(source.files, source.folder)
  options = {"shuffle": False, "on_bad_image": "skip"}
  with Loader(source, how.transforms, BATCH, **options) as loader:
    net = Net(experiment, weights, next(loader.epoch()))
    prepare = importlib.import_module(f"vision_jax.explain.{method}").prepare
    explain, layer = prepare(net, choice)
    log(f"{method} of {net.name}, layer {layer}")
    write = _Writer(how, pathlib.Path(output), method, layer)
    for index, row in _rows(jax.jit(explain), weights, loader):
      write(source.files[index], row, names[index])
  write.close(log)


def write_filters(
  experiment: Experiment,
  weights: Variables,
  batch: HostBatch | Mapping[str, jax.ShapeDtypeStruct],
  output: epath.PathLike,
  choice: Choice,
  *,
  log: Log = print,
) -> None:
  """Writes filters.png; arguments as of `explain_folder`.

  `batch` gives the images' shapes.
  """
  folder.check_fresh(output, WRITTEN)
  image, layer = learned_filters(experiment, weights, batch, choice)
  path = pathlib.Path(output) / "filters.png"
  write_png(path, image)
  log(f"filters of {layer}: {path}")


def learned_filters(
  experiment: Experiment,
  weights: Variables,
  batch: HostBatch | Mapping[str, jax.ShapeDtypeStruct],
  choice: Choice,
) -> tuple[np.ndarray, str]:
  """Returns a grid of filters (h, w, 3) uint8, and whose they are.

  Arguments are as of `write_filters`.
  """
  net = Net(experiment, weights, dict(batch))
  bands = experiment.predict.show_bands if experiment.predict else ()
  image, layer = filters(net, weights[0], choice, bands)
  return image, f"{net.name}, layer {layer}"


def read_class(how: Predict, text: str | None) -> int | None:
  """Returns the number of a class given by its name or its number.

  Raises:
    UserError: if there is none.
  """
  if text is None:
    return None
  names = [*map(str, how.class_names)]
  if (
    text not in names
    and text.isdigit()
    and (not names or int(text) < len(names))
  ):
    return int(text)
  if not names:
    raise UserError(f"--label: got {text!r}; expected a number.")
  return names.index(check_name("--label", text, names))


def _rows(
  explain: Callable[..., Any], weights: Variables, loader: Loader
) -> Iterator[tuple[int, dict[str, Any] | None]]:
  """Yields (index, what was found) of each image, None for an unreadable."""
  count, done = len(loader.source), set()
  for batch in loader.epoch():
    rows = jax.device_get(explain(weights, batch))
    for i, index in enumerate(batch["index"]):
      if index < count and index not in done:
        done.add(index)
        row = {name: x[i] for name, x in rows.items()}
        row["whole"] = batch["image"].shape[1:3]
        yield int(index), row if batch["mask"][i] > 0 else None


class _Writer:
  """Writes explanations; what is written when it is killed stays whole."""

  def __init__(
    self, how: Predict, output: pathlib.Path, method: str, layer: str
  ):
    self._how, self._output = how, output
    self._about = {"method": method, "layer": layer}
    self._bad, self._count = [], 0
    base.shown.cache_clear()  # a file may be another than before
    output.mkdir(parents=True, exist_ok=True)

  def __call__(
    self, file: pathlib.Path, row: Mapping[str, Any] | None, name: str
  ) -> None:
    line = {"file": str(file)}
    if row is None:
      self._bad.append(str(file))
      line |= {"error": "unreadable image"}
    else:
      line |= self._about | self._classes(row) | self._images(file, row, name)
    self._count += 1
    with open(self._output / LINES, "a", encoding="utf-8") as lines:
      lines.write(to_json(line) + "\n")

  def close(self, log: Log) -> None:
    """Says what was written, and which images could not be read."""
    log(f"{self._count - len(self._bad)} images: {self._output / LINES}")
    if self._bad:
      log(f"Unreadable, left out: {len(self._bad)}: {', '.join(self._bad)}")

  def _classes(self, row: Mapping[str, Any]) -> dict[str, Any]:
    if "label" not in row:
      return {}
    names, label = self._how.class_names, int(row["label"])
    named = {"class": str(names[label])} if len(names) else {}
    return {"label": label, **named, "score": float(row["score"])}

  def _images(
    self, file: pathlib.Path, row: Mapping[str, Any], name: str
  ) -> dict[str, str]:
    image = base.shown(file, tuple(self._how.show_bands))
    size = image.shape[:2]
    both = axes(self._how.transforms, size)
    heat = enlarge(row["heat"], both, size, row["whole"])
    path = self._output / f"{name}.png"
    write_png(path, overlay_heat(image, heat))
    written = {"heat": str(path)}
    if "maps" in row:
      path = self._output / f"{name}.maps.png"
      write_png(path, _grid(row["maps"]))
      written["maps"] = str(path)
    return written


def _grid(maps: np.ndarray) -> np.ndarray:
  """Returns channels (h, w, d) beside one another, each stretched by itself."""
  channels = np.moveaxis(maps, -1, 0)[:MAPS]
  low = channels.min((1, 2), keepdims=True)
  high = channels.max((1, 2), keepdims=True)
  return grid([*((channels - low) / np.where(high > low, high - low, 1))])
