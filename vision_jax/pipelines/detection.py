"""Detection: sources with boxes in; loaders, evaluations, predict out."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Augment, Metric
from vision_jax.data.groups import mosaics
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example, Source
from vision_jax.data.transforms import boxes
from vision_jax.data.transforms.base import Transform, apply_all, keep
from vision_jax.data.transforms.image import resize
from vision_jax.data.transforms.object_masks import object_masks
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.ops import augment
from vision_jax.ops.augment.boxes import random_crop_boxes, random_flip_boxes
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.box_images import box_images
from vision_jax.pipelines.colours import IMAGENET, Colours, check_coloured
from vision_jax.pipelines.data import Data, Loading

KEYS = (
  *("image", "image_mask", "boxes", "label", "box_mask"),
  *("crowd", "masks", "keypoints"),
)
TRUTH = ("size", "ignore", "area")  # of the evaluation only


def detection(
  *,
  train: Source,
  evals: Mapping[str, Source],
  class_names: Sequence[str],
  image_size: Sequence[int],
  max_boxes: int,
  loading: Loading,
  metrics: Mapping[str, Metric],
  letterbox: bool = False,
  masks: bool = False,
  in_memory: bool = True,
  mosaic: float = 0.0,
  colours: Colours | None = None,
  augment: Augment | None = None,
  weights: Sequence[str] = ("raw",),
  annotations: str = "",
  skeleton: Sequence[tuple[int, int]] = (),
) -> Data:
  """Returns what an experiment takes, of sources of images with boxes.

  Args:
    train: a source as `transforms.boxes` says. Examples with `box_mask` are
      taken as they are: of one shape, with padded boxes.
    evals: name -> such a source.
    class_names: the labels' names.
    image_size: (h, w) that all images have.
    max_boxes: the most boxes of an image.
    loading: how examples become batches.
    metrics: what each evaluation measures, by name.
    letterbox: whether images keep their proportions, with padding.
    masks: whether sources give the mask of each box, as `CocoSource` does, and
      batches have `masks` (b, n, h, w) uint8.
    in_memory: whether decoded images are kept.
    mosaic: probability that a training image is a mosaic of four, which keep
      their scale, and of up to four times as many boxes.
    colours: mean and standard deviation of a channel; None for those of
      `loading`.
    augment: (batch, key) -> batch, see `box_augment`.
    weights: which weights to evaluate: "raw", "ema".
    annotations: COCO json whose ids of images and categories predictions take;
      "" for ids from 1 on.
    skeleton: of sources that give keypoints, pairs that are drawn with a line
      between them.

  Raises:
    UserError: for class names that cannot be, or mosaics of padded images.
  """
  names, size = tuple(class_names), tuple(image_size)
  check_class_names("--config.class_names", names)
  if mosaic and letterbox:
    raise UserError(
      f"--config.mosaic: got {mosaic} with letterbox, whose images are padded; "
      "expected one of the two. Pass --config.letterbox=false."
    )
  fit = boxes.letterbox(size) if letterbox else resize(size)
  made = _unless_padded(
    loading.decode(),
    boxes.check_size(),
    fit,
    *([object_masks(size, letterbox)] if masks else []),
    boxes.pad_boxes(max_boxes),
  )

  def batches(
    loader: Callable[..., Loader], source: Source, *keys: str
  ) -> Loader:
    """A loader that makes examples once, or anew each time."""
    steps = [made, keep(*KEYS, *TRUTH)]
    if in_memory:
      source, steps = InMemory(source, steps, loading.threads), []
    if loader == loading.train and mosaic:
      options = {"transforms": steps, "probability": mosaic}
      source = mosaics(source, size, **options)
      steps = [boxes.pad_boxes(4 * max_boxes)]
    return loader(source, [*steps, keep(*keys)], num_classes=len(names))

  found = {
    name: Eval(
      batches(loading.evaluation, source, *KEYS, *TRUTH),
      metrics,
      weights=weights,
      images=box_images(names, bands=loading.shown_decoded, skeleton=skeleton),
    )
    for name, source in evals.items()
  }
  return Data(
    train_data=batches(loading.train, train, *KEYS),
    evals=found,
    inputs=normalize(*colours or loading.colours),
    predict=Predict(
      [loading.decode(), boxes.record_size(), fit],
      names,
      ("overlay", "coco"),
      annotations=annotations,
      show_bands=loading.shown,
    ),
    augment=augment,
  )


def box_augment(
  *,
  crop: Sequence[float] = (),
  ratio: Sequence[float] = (1.0, 1.0),
  probability: float = 1.0,
  flip: float = 0.0,
  vertical: float = 0.0,
  jitter: float = 0.0,
  colours: Colours = IMAGENET,
  mirrored: Sequence[int] | None = None,
) -> Augment | None:
  """Returns what moves image and boxes together; None if that is nothing.

  Args:
    crop: (smallest, largest) side of a random window as a part of the image; ()
      for none.
    ratio: (smallest, largest) change of its proportions.
    probability: how often a window is cut out.
    flip, vertical: probabilities of left and right, and top and bottom.
    jitter: largest change of brightness, contrast and saturation.
    colours: mean and standard deviation that the images were normalised by.
    mirrored: of keypoints, see `random_flip_boxes`; None where there are none.
  """
  check_coloured({"jitter": jitter}, colours)
  steps = []
  if crop:
    window, ratio = tuple(crop), tuple(ratio)
    steps.append(
      random_crop_boxes(window, ratio=ratio, probability=probability)
    )
  if flip or vertical:
    steps.append(random_flip_boxes(flip, vertical=vertical, mirrored=mirrored))
  if jitter:
    white = augment.normalized_range(*colours)
    steps.append(augment.color_jitter(*[jitter] * 3, value_range=white))
  return augment.sequence(*steps) if steps else None


@transform
def _unless_padded(*steps: Transform) -> Transform:
  """Applies the steps to examples whose boxes are not padded yet."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    if "box_mask" in example:
      return example
    return apply_all(steps, example, rng)

  return apply
