"""What a notebook calls first: a model with its weights, images, metrics.

model, variables = vision_jax.load("out/r50")
images = vision_jax.preprocess(model, ["cat.jpg", "dog.png"])
logits = model.apply(variables, images, train=False)
vision_jax.measure(Accuracy(), {"logits": logits}, {"label": [3, 5]})
"""

import dataclasses
import os
import pathlib
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Inputs, Metric
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.inference import trained
from vision_jax.interop import convert, files, leaves, places, published
from vision_jax.ops.inputs import normalize

Image = np.ndarray | bytes | str | os.PathLike
_ANY_SIZE = (64, 64)  # of images, where a net's may be of any
# What a model's images go through, by the model's id while it lives.
_LOADED: dict[int, "_Images"] = {}


@dataclasses.dataclass(frozen=True)
class _Images:
  """What makes images of a user those that a model sees."""

  transforms: Sequence[Transform]
  inputs: Inputs
  unbounded: bool = False  # whether pixels are floats of any value

  def __call__(self, images: Sequence[Image]) -> Array:
    rng = np.random.default_rng(0)
    batch = []
    for image in images:
      example: dict[str, Any] = {"image": _opened(image, self.unbounded)}
      for transform in self.transforms:
        example = transform(example, rng)
      batch.append(example["image"])
    if not batch:
      raise UserError("preprocess: got no images; expected one at least.")
    return self.inputs({"image": jnp.asarray(np.stack(batch))})["image"]


def load(
  place: str | os.PathLike,
  source: str = "",
  *,
  checkpoint: str = "latest",
  **fields: Any,
) -> tuple[nn.Module, dict[str, Any]]:
  """Returns a Flax module and its variables.

  Args:
    place: a workdir, of a training or of `--mode=import`; or, with a source, a
      published file or a Hugging Face folder.
    source: what the file is, such as "torchvision:resnet50", or "huggingface".
    checkpoint: of a workdir: "latest", "best" or a step.
    **fields: of the model of a file, where it is another than is published,
      such as num_classes=7.

  Returns:
    The module, and {"params": ..., "batch_stats": ...}.

  Raises:
    UserError: if there are no weights there, or others than the net's.
  """
  if source:
    return _published(os.fspath(place), source, fields)
  if places.holds_tensors(place):
    raise UserError(
      f"load: {place} has weights and says not of which net; expected its "
      'source too, such as load(FILE, "torchvision:resnet50"), or '
      '"huggingface" for a folder with a config.json.'
    )
  if fields:
    raise UserError(
      f"load: got {', '.join(fields)} of the workdir {place}, which says what "
      "its model is; expected none without a source."
    )
  run = trained.load(place, checkpoint=checkpoint)
  task, predict = run.experiment.task, run.experiment.predict
  if not hasattr(task, "model"):
    raise UserError(
      f"load: {place} has a {type(task).__name__}, which has several nets; "
      "expected a task of one. vision_jax.inference.load(...).weights() has "
      "the parameters of all."
    )
  params, stats = run.weights()
  variables = {"params": params["model"], **stats.get("model", {})}
  if predict is not None:
    inputs, floats = run.experiment.inputs, run.batch["image"].dtype.kind == "f"
    _remember(task.model, _Images(predict.transforms, inputs, floats))
  return task.model, variables


def preprocess(model: nn.Module, images: Sequence[Image] | Image) -> Array:
  """Returns images (b, h, w, c) float32 as a model sees them.

  Args:
    model: of `load`.
    images: paths, the bytes of files, or arrays of any size, (h, w, c) or grey
      (h, w), of uint8, uint16 or floats in [0, 1]; one of them, an array
      (b, h, w, c), or a sequence.

  Raises:
    UserError: if the model is not one that `load` has returned, or for what is
      no image.
  """
  if id(model) not in _LOADED:
    raise UserError(
      f"preprocess: got a {type(model).__name__} that vision_jax.load has not "
      "returned; expected that very module, whose images it knows."
    )
  sized = hasattr(images, "__array__") and not hasattr(images, "convert")
  images = np.asarray(images) if sized else images
  one = isinstance(images, str | bytes | os.PathLike) or (
    images.ndim < 4 if sized else not isinstance(images, Iterable)
  )
  return _LOADED[id(model)]([images] if one else images)


def measure(
  metric: Metric, outputs: Mapping[str, Any], truth: Mapping[str, Any]
) -> dict[str, float]:
  """Returns what a metric gives of outputs that are in memory.

  Args:
    metric: of `vision_jax.metrics`, such as `Accuracy()`.
    outputs: what it reads of a prediction, by name: logits (n, k).
    truth: what it reads of a batch: label (n,). A mask (n,) says which examples
      count; all do without one.

  Raises:
    UserError: for a metric that compares with a reference data set.
  """
  if getattr(metric, "refers", False):
    raise UserError(
      f"measure: {type(metric).__name__} compares with a reference data set; "
      "expected a metric of outputs alone. An Eval(reference=...) has both."
    )
  given = jax.tree.map(jnp.asarray, dict(truth), is_leaf=_is_array)
  size = len(jax.tree.leaves(given)[0])
  batch = {"mask": jnp.ones(size, jnp.float32), **given}
  out = jax.tree.map(jnp.asarray, dict(outputs), is_leaf=_is_array)
  found = metric.measure(metric.state, out, batch)
  return metric.result(*jax.device_get(found))


def _is_array(x: Any) -> bool:
  return not isinstance(x, Mapping)  # a list of numbers is one


def _published(
  file: str, source: str, fields: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
  opened = files.open_tensors(places.find(file))
  layout, net = published.find(
    source, opened.described if source == published.HUGGING_FACE else None
  )
  model = net.build(fields)
  shapes = _shapes(model, net.preprocess)
  found = convert.convert(opened.tensors, layout(shapes), shapes, where=file)
  given = net.preprocess
  transforms = [decode(len(given.mean)), given.transform()]
  _remember(model, _Images(transforms, normalize(*given.colours)))
  return model, leaves.read(found)


def _shapes(model: nn.Module, given: Preprocess) -> dict[str, tuple[int, ...]]:
  size = given.size or _ANY_SIZE
  image = jax.ShapeDtypeStruct((1, *size, len(given.mean)), jnp.float32)
  return leaves.shapes(leaves.abstract(model, image))


def _remember(model: nn.Module, images: _Images) -> None:
  _LOADED[id(model)] = images
  weakref.finalize(model, _LOADED.pop, id(model), None)


def _opened(image: Image, unbounded: bool) -> np.ndarray | bytes:
  """Returns a file's bytes, or an array (h, w, c) of pixels."""
  if isinstance(image, bytes):
    return image
  if isinstance(image, str | os.PathLike):
    try:
      return pathlib.Path(image).read_bytes()
    except OSError as error:
      raise UserError(
        f"preprocess: {os.fspath(image)}: {error.strerror}; expected the path "
        "of an image."
      ) from error
  pixels = None if hasattr(image, "convert") else np.asarray(image)
  if (
    pixels is None
    or pixels.ndim not in (2, 3)
    or not (_has_white(pixels, unbounded))
  ):
    what = type(image).__name__ if pixels is None else _of(pixels)
    raise UserError(
      f"preprocess: got {what}; expected a path, a file's bytes, or an array "
      "(h, w, c) of uint8, uint16 or floats in [0, 1]. Of Pillow's images: "
      'np.asarray(image.convert("RGB")).'
    )
  return pixels if pixels.ndim == 3 else pixels[..., None]


def _has_white(pixels: np.ndarray, unbounded: bool) -> bool:
  """Whether there are pixels, and it is known what black and white are."""
  if pixels.size == 0 or pixels.dtype.kind != "f":
    return pixels.size > 0 and pixels.dtype in (np.uint8, np.uint16)
  return unbounded or bool(pixels.min() >= 0 and pixels.max() <= 1)


def _of(pixels: np.ndarray) -> str:
  return f"an array {pixels.shape} of {pixels.dtype}"
