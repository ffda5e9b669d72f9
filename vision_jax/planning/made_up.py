"""Training batches of any config without its data.

What is timed does not depend on what the images show. So pixels, labels and
boxes are drawn, in the shapes and types that the config's own loader gives;
configs whose data come with the packages keep those.
"""

import numpy as np
from ml_collections import ConfigDict

from vision_jax.core.types import Task
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.people import KEYPOINTS
from vision_jax.data.together import Together
from vision_jax.experiment import Experiment
from vision_jax.tasks.bordered_objects import BorderedObjects
from vision_jax.tasks.cycle import CycleTranslation
from vision_jax.tasks.dense_detection import DenseDetection
from vision_jax.tasks.detection import Detection
from vision_jax.tasks.keypoint_detection import KeypointDetection
from vision_jax.tasks.restoration import Restoration
from vision_jax.tasks.segmentation import Segmentation
from vision_jax.tasks.star_polygons import StarPolygons
from vision_jax.tasks.translation import PairedTranslation

BUNDLED = (
  *("captioned_digits", "clouds", "digits", "moving_digits", "people"),
  *("photographs", "roads", "scenes"),
  *("skeleton_actions", "skeleton_sequences"),
)
CLASSES = 80  # where the annotations would name them; COCO's number
MOST_BOXES = 15  # in an image; COCO has 7 in the mean, BCCD 13


def stand_in(config: ConfigDict) -> None:
  """Fills in what a config would ask its data for, in place."""
  if "class_names" in config and not config.class_names:
    config.class_names = tuple(map(str, range(CLASSES)))
  if "anchors" in config and not config.anchors:
    sides = range(1, config.num_anchors + 1)
    config.anchors = tuple(8.0 * i for i in sides for _ in "wh")
  if "columns" in config and not config.columns:
    config.columns = ("number",)
  if "keypoint_names" in config and not config.keypoint_names:
    config.keypoint_names = KEYPOINTS.names
    config.mirrored = config.mirrored or KEYPOINTS.mirrored


def batch(experiment: Experiment, config: ConfigDict) -> dict[str, np.ndarray]:
  """Returns a training batch of `config.batch_size` examples."""
  with loader(experiment, config, config.batch_size) as made:
    return made.batch(0)


def loader(
  experiment: Experiment, config: ConfigDict, count: int
) -> Loader | Together:
  """Returns training batches of `count` examples in memory, to be closed."""
  given = experiment.train_data
  if config.get("dataset") in BUNDLED:
    return given
  source = ArraySource(arrays(experiment.task, config, count))
  if isinstance(given, Together):
    sides = given.loaders
    return Together(**{x: Loader(source, (), config.batch_size) for x in sides})
  batched = [t for t in given.transforms if getattr(t, "batched", False)]
  return Loader(source, batched, config.batch_size)


def arrays(task: Task, config: ConfigDict, n: int) -> dict[str, np.ndarray]:
  """Returns n examples as a source gives them: `image` in uint8, and labels."""
  rng = np.random.default_rng(0)
  size = config.image_size
  h, w = (size, size) if isinstance(size, int) else size
  shape = (n, h, w, config.get("channels", 3))
  image = rng.integers(0, 256, shape, np.uint8)
  if isinstance(task, Detection | DenseDetection | KeypointDetection):
    return {"image": image} | _boxes(rng, (n, h, w), config)
  if _numbered(task):
    side = (n, config.crop, config.crop)
    numbers = rng.integers(0, MOST_BOXES + 1, side, np.int32)
    image = rng.integers(0, 256, (*side, config.channels), np.uint8)
    return {"image": image, "instances": numbers}
  if isinstance(task, Segmentation):
    k = len(config.class_names)
    return {"image": image, "target": rng.integers(0, k, (n, h, w), np.uint8)}
  if isinstance(task, PairedTranslation):
    return {"image": image, "wanted": image}
  if isinstance(task, CycleTranslation):
    return {"image": image}
  if isinstance(task, Restoration):
    return {"image": image, "clean": _clean(rng, shape, task)}
  if "alphabet" in config:
    codes = rng.choice([*map(ord, config.alphabet)], (n, config.letters[1]))
    return {"image": image, "text": codes.astype(np.int32)}
  k = config.get("num_classes", 10)
  return {"image": image, "label": rng.integers(0, k, n, np.int32)}


def _numbered(task: Task) -> bool:
  """Whether the task learns of maps that number objects."""
  of_maps = isinstance(task, StarPolygons | BorderedObjects)
  return of_maps or bool(getattr(task, "max_objects", 0))


def _clean(rng, shape, task):
  """What images of the shape were, as much larger as the net makes them."""
  n, h, w, channels = shape
  times = getattr(task.model, "scale", 1)
  return rng.integers(0, 256, (n, times * h, times * w, channels), np.uint8)


def _boxes(rng, shape, config):
  """`boxes`, cxcywh in [0, 1], and what stands beside them."""
  n, most = shape[0], config.max_boxes
  if config.get("mosaic"):
    most *= 4  # of four images
  count = rng.integers(1, min(MOST_BOXES, most) + 1, (n, 1))
  mask = (np.arange(most) < count).astype(np.float32)
  centre = rng.uniform(0.3, 0.7, (n, most, 2))
  side = rng.uniform(0.05, 0.5, (n, most, 2))
  boxes = np.concatenate([centre, side], -1) * mask[..., None]
  found = {
    "boxes": boxes.astype(np.float32),
    "label": rng.integers(0, len(config.class_names), (n, most), np.int32),
    "box_mask": mask,
  }
  if config.dataset == "coco":
    found["crowd"] = np.zeros((n, most), np.float32)
  if "keypoint_names" in config:
    j = len(config.keypoint_names)
    part = rng.uniform(-0.5, 0.5, (n, most, j, 2)) * side[:, :, None]
    points = np.insert(centre[:, :, None] + part, 2, 2, axis=-1)
    points *= mask[..., None, None]
    found["keypoints"] = points.astype(np.float32)
  if config.letterbox:
    found["image_mask"] = np.ones(shape, np.float32)
  return found
