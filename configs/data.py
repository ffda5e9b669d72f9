"""Data sets of the classification configs: loaders, evaluations, prediction.

`config.dataset` names one: "mnist", "cifar10", "imagenet2012" (prepared TFDS
sets), "folder" (one folder a class, in `train` and `val`) or "digits",
scikit-learn's, which come with the packages and stand in for the others, at
their size, in `tiny` variants.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vision_jax.core.types import Inputs
from vision_jax.data.arrays import ArraySource
from vision_jax.data.crops import random_resized_crop, resize_centre_crop
from vision_jax.data.digits import Digits
from vision_jax.data.folders import ImageFolder, split_folders
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.subsets import split_train
from vision_jax.data.tfds import TfdsSource
from vision_jax.data.transforms import decode, resize
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.metrics.classification import Accuracy
from vision_jax.ops.inputs import normalize

GREY = ((0.5,), (0.5,))
MNIST = ((0.1307,), (0.3081,))
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_LOG = logging.getLogger(__name__)
# Of the files of a data set; those of all others are photographs, in colour.
CHANNELS = {"mnist": (1,), "digits": (1, 3)}  # grey can be given as colour
DIGIT_NAMES = tuple("0123456789")
CIFAR10_NAMES = (
  *("airplane", "automobile", "bird", "cat", "deer"),
  *("dog", "frog", "horse", "ship", "truck"),
)


@dataclasses.dataclass(frozen=True)
class ImageData:
  """What an experiment takes from here, by the names of its fields."""

  train_data: Loader
  inputs: Inputs
  evals: Mapping[str, Eval]
  predict: Predict

  def fields(self) -> dict[str, Any]:
    """Returns the fields, to be passed on."""
    return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def small_images(
  config: Any,
  colours: tuple[Sequence[float], Sequence[float]],
  names: Sequence[str],
  *,
  weights: Sequence[str] = ("raw",),
) -> ImageData:
  """Returns a data set of small images that is kept in memory.

  `config.holdout` examples are held out of train as "val"; 0 holds none out.

  Args:
    config: with dataset, image_size, channels, holdout and eval_batch_size.
    colours: mean and standard deviation of a channel, to normalize with.
    names: of the classes.
    weights: which weights to evaluate: "raw", "ema".
  """
  check_channels(config)
  train, test = (_in_memory(config, split) for split in ("train", "test"))
  held_out = {}
  if config.holdout:
    train, val = split_train(train, config.holdout, seed=0)
    held_out["val"] = val
  evals = {
    name: Eval(
      _loader(config, source, (), config.eval_batch_size, shuffle=False),
      {"accuracy": Accuracy()},
      weights=weights,
    )
    for name, source in (held_out | {"test": test}).items()
  }
  size = (config.image_size, config.image_size)
  return ImageData(
    _loader(config, train, (), config.batch_size),
    normalize(*colours),
    evals,
    Predict([decode(config.channels, config.bits), resize(size)], names),
  )


def large_images(
  config: Any, colours: tuple[Sequence[float], Sequence[float]]
) -> ImageData:
  """Returns a data set of photographs, decoded anew each time.

  Training takes a random part of each; evaluation resizes the short side to
  256 / 224 of image_size and takes the centre.

  Args:
    config: as for `small_images`, and with class_names for "folder".
    colours: mean and standard deviation of a channel, to normalize with.
  """
  if config.dataset == "digits":
    return small_images(config, colours, DIGIT_NAMES)
  check_channels(config)
  size = config.image_size
  names = tuple(config.get("class_names", ()))
  middle = resize_centre_crop(size * 256 // 224, size)
  whole = [decode(bits=config.bits), middle]
  train, evaluated = _on_disk(config, names)
  evals = {
    name: Eval(
      _loader(config, source, whole, config.eval_batch_size, shuffle=False),
      {"accuracy": Accuracy((1, 5) if len(names or "12345") >= 5 else (1,))},
    )
    for name, source in evaluated.items()
  }
  part = [random_resized_crop(size, bits=config.bits)]
  return ImageData(
    _loader(config, train, part, config.batch_size),
    normalize(*colours),
    evals,
    Predict(whole, names),
  )


def check_scenes(config: Any) -> None:
  """Checks that there are scenes to train on, and square ones."""
  numbers, size = tuple(config.scenes), tuple(config.image_size)
  if len(numbers) != 3 or not numbers[0]:
    raise UserError(
      f"--config.scenes: got {numbers}; expected how many for train, val and "
      "test, and at least one to train on."
    )
  if len(size) != 2 or size[0] != size[1]:
    raise UserError(
      f"--config.image_size: got {size}; expected the same height and width "
      "for scenes."
    )


def tell_unused(config: Any) -> None:
  """Tells which folders of one's own are not used, where data are generated."""
  given = [
    f"--config.{key}={config[key]}"
    for key in ("data_dir", "images", "masks")
    if config.get(key)
  ]
  if given:
    _LOG.warning(
      "%s: not used. The data are %s; to use your own, leave out `:tiny`, or "
      "take a config that reads folders.",
      " ".join(given),
      {"digits": "scikit-learn's digits"}.get(config.dataset, "digit scenes"),
    )


def check_channels(config: Any) -> None:
  """Refuses a number of channels that the data set's files do not have.

  Raises:
    UserError: with those that they have.
  """
  have = CHANNELS.get(config.dataset, (3,))
  if config.channels not in have:
    expected = " or ".join(map(str, have))
    raise UserError(
      f"--config.channels: got {config.channels}; expected {expected}, as the "
      f"pictures of {config.dataset} have."
    )


def folder_classes(folder: str) -> tuple[str, ...]:
  """Returns the class names of a folder of images."""
  return ImageFolder(_split_folders(folder)["train"]).class_names


def _split_folders(folder: str) -> Mapping[str, pathlib.Path]:
  """The class folders of each split that there is."""
  if not folder:
    raise UserError(
      "--config.data_dir is missing; expected a folder with train/CLASS/*.jpg "
      "and val/CLASS/*.jpg, or with the class folders themselves."
    )
  return split_folders(folder)


def _on_disk(config: Any, names: Sequence[str]) -> tuple[Any, dict[str, Any]]:
  """Returns the training source, and those evaluated, by name."""
  if config.dataset == "folder":
    return _folder(config, names)
  open_split = lambda split: TfdsSource(
    config.dataset, split, data_dir=config.data_dir
  )
  train, val = split_train(open_split("train"), config.holdout, seed=0)
  return train, {"val": val, "test": open_split("validation")}


def _folder(config: Any, names: Sequence[str]) -> tuple[Any, dict[str, Any]]:
  """Val is a tenth of train where it has no folder; test is where it has."""
  found = {"train": pathlib.Path(config.data_dir)}
  if config.data_dir and found["train"].is_dir():  # predicting needs no data
    found = split_folders(config.data_dir)
  sources = {split: ImageFolder(path, names) for split, path in found.items()}
  train = sources.pop("train")
  if "val" not in sources:
    train, val = split_train(train, 0.1, seed=0, stratify=True)
    sources = {"val": val} | sources
  return train, sources


def _loader(
  config: Any,
  source: Any,
  transforms: Sequence[Any],
  batch_size: int,
  *,
  shuffle: bool = True,
) -> Loader:
  return Loader(
    source,
    transforms,
    batch_size=batch_size,
    seed=config.seed,
    shuffle=shuffle,
    threads=config.threads or None,
    on_bad_image=config.on_bad_image,
  )


def _in_memory(config: Any, split: str) -> Any:
  if config.dataset == "digits":
    if split == "train":
      tell_unused(config)
    return _DigitsAs(split, config.image_size, config.channels)
  source = TfdsSource(config.dataset, split, data_dir=config.data_dir)
  return InMemory(
    source, [decode(config.channels, config.bits)], config.threads
  )


class _DigitsAs(ArraySource):
  """scikit-learn's digits, enlarged and framed to another data set's shape."""

  def __init__(self, split: str, size: int, channels: int):
    super().__init__({}, len(DIGIT_NAMES), DIGIT_NAMES)
    self._split, self._size, self._channels = split, size, channels

  def load(self) -> Mapping[str, np.ndarray]:
    """Returns `image` (n, size, size, channels) and `label`."""
    if self._size < 8:
      raise UserError(
        f"--config.image_size: got {self._size}; expected 8 or more for digits."
      )
    arrays = Digits(self._split).arrays
    factor = self._size // 8
    image = arrays["image"].repeat(factor, 1).repeat(factor, 2)
    before = (self._size - 8 * factor) // 2
    frame = (before, self._size - 8 * factor - before)
    image = np.pad(image, ((0, 0), frame, frame, (0, 0)))
    image = image.repeat(self._channels, 3)
    return {"image": image, "label": arrays["label"]}
