"""Images with boxes, of any layout that says so in a table."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.headers import UNREAD, sizes
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.box_check import BoxCheck
from vision_jax.data.sources.class_names import labels_of, some
from vision_jax.data.sources.labelled import in_order
from vision_jax.data.sources.split_images import Images
from vision_jax.data.sources.table_source import TableSource
from vision_jax.data.transforms.boxes import to_fractions


@dataclasses.dataclass(frozen=True)
class Boxes:
  """What a table says of m images with n boxes.

  Attributes:
    images: m of them.
    image: (n,) the place of each box's image, 0 ... m - 1, ascending.
    classes: the name of each box's class, n.
    boxes: (n, 4) xyxy, in pixels or as `fractions`.
    places: what an error calls each box, n.
    fractions: whether boxes are fractions of their image.
    size: (m, 2) height and width; None reads the images' headers.
    flags: "crowd" or "ignore" -> (n,) 0 or 1.
    names: names of all classes, in the order of the labels; () sorts those that
      occur.
  """

  images: Images
  image: np.ndarray
  classes: Sequence[str]
  boxes: np.ndarray
  places: Sequence[str]
  fractions: bool = False
  size: np.ndarray | None = None
  flags: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  names: tuple[str, ...] = ()


class BoxedSource(TableSource[Boxes]):
  """A split of images with boxes.

  An example has `image`, encoded, `boxes` (n, 4) cxcywh in [0, 1], `label`
  (n,), `size` (2,) and the table's flags (n,).

  Args:
    load: reads the table, once, on first use.
    where: what errors call it.
    class_names: names in the order of the labels; () takes the table's.
    on_bad_box, exact: see `BoxCheck`.
    one_based: see `VocSource`; not of fractions.

  Raises:
    DataError: on first use, for a class that is none of `class_names`, or a
      wrong box.
  """

  def __init__(
    self,
    load: Callable[[], Boxes],
    where: str,
    class_names: Sequence[str] = (),
    *,
    on_bad_box: str = "error",
    exact: bool = False,
    one_based: bool = False,
  ):
    super().__init__(load, where, class_names)
    self._one_based = one_based
    self.check = BoxCheck(on_bad_box, exact)

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    table = self._table
    names = self._given or table.names or in_order(table.classes)
    if not names:
      raise DataError(
        f"{self._where}: has no boxes; expected at least one. Check the split, "
        "or name the classes with --config.class_names."
      )
    return names

  @functools.cached_property
  def _sizes(self) -> np.ndarray:
    """Each image's height and width, (m, 2)."""
    table = self._table
    if table.size is not None:
      return np.asarray(table.size, np.int32).reshape(-1, 2)
    found = sizes(len(self), table.images.read)
    return np.array([size or UNREAD for size in found], np.int32)

  @functools.cached_property
  def _checked(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The columns of all boxes, and where each image's start."""
    table, labels = self._table, self._labels()
    size = self._sizes[table.image]
    boxes = np.asarray(table.boxes, np.float64).reshape(-1, 4)
    if table.fractions:
      boxes = boxes * np.tile(size[:, ::-1], 2)
    elif self._one_based:
      boxes = boxes - [1, 1, 0, 0]
    boxes, kept = self.check(
      boxes, size, self._where, lambda j: table.places[j]
    )
    flags = {k: np.asarray(x, np.float32)[kept] for k, x in table.flags.items()}
    columns = {
      "boxes": to_fractions(boxes, size[kept]),
      "label": labels[kept],
    } | flags
    count = np.arange(len(self) + 1)
    return columns, np.searchsorted(table.image[kept], count)

  def _labels(self) -> np.ndarray:
    table, labels = self._table, labels_of(self.class_names)
    for place, name in zip(table.places, table.classes, strict=True):
      if name not in labels:
        raise DataError(
          f"{place}: is of the class {name!r}; expected one of {some(labels)}. "
          "Correct the annotation or --config.class_names."
        )
    return np.array([labels[name] for name in table.classes], np.int32)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns examples with encoded images."""
    with self._lock:  # checked once, and warned of once
      columns, start = self._checked
    images = self._table.images
    return [
      {
        "name": images.place(i),
        "image": images.read(i),
        "size": self._sizes[i],
      }
      | {k: x[start[i] : start[i + 1]] for k, x in columns.items()}
      for i in map(int, indices)
    ]

  def fingerprint(self) -> str:
    """Returns a hash of images and boxes."""
    table = self._table
    boxes = np.asarray(table.boxes, np.float64).reshape(-1, 4)
    return short_hash(
      *(table.images.fingerprint(), self.class_names, list(table.classes)),
      *(boxes, np.asarray(table.image)),
    )
