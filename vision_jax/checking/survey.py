"""What is in a folder of data: every image is opened once, on all cores."""

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.checking.wanted import Wanted, depth
from vision_jax.data.assembly import cores
from vision_jax.data.errors import BadImage, DataError, WrongChannels
from vision_jax.data.found import BOXES, LABELS, MASKS
from vision_jax.data.headers import size_of
from vision_jax.data.images import as_stored
from vision_jax.data.own import Own
from vision_jax.data.shared import refuse_shared
from vision_jax.data.source import Example, Source
from vision_jax.data.sources.masks import are_classes, gaps
from vision_jax.data.transforms.masks import open_mask
from vision_jax.errors import UserError

_SIDES = {"small": 32, "medium": 96}  # COCO's, of the root of a box's area
_DAMAGED = "images that cannot be read"
_BOXES = "boxes that cannot be right"
_SHARED = "images that two splits share"
_MASKS = "masks that do not fit"
_CHANNELS = "images of other channels than training is to read"
_SIZES = "annotations of another size than their image"


@dataclasses.dataclass
class Survey:
  """What was found.

  Attributes:
    images: split -> number of images.
    sizes: (height, width) -> number of images.
    depths: (channels, bits) -> number of images, alpha not counted.
    classes: split -> class -> number of images; of boxes where there are such,
      of images that have it where there are masks.
    boxes: "small", "medium" or "large" -> number, by COCO's areas.
    values: the masks' values.
    faults: kind -> places.
    stops: messages of what training stops at.
    shown: examples for the sheet, decoded.
  """

  images: dict[str, int] = dataclasses.field(default_factory=dict)
  sizes: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )
  depths: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )
  classes: dict[str, collections.Counter] = dataclasses.field(
    default_factory=dict
  )
  boxes: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )
  faults: dict[str, list[str]] = dataclasses.field(default_factory=dict)
  stops: list[str] = dataclasses.field(default_factory=list)
  shown: list[Example] = dataclasses.field(default_factory=list)
  names: tuple[str, ...] = ()

  def add(self, kind: str, *places: str) -> None:
    """Notes faults of a kind."""
    self.faults.setdefault(kind, []).extend(places)


def survey(
  own: Own,
  class_names: Sequence[str] = (),
  *,
  on_bad_box: str = "error",
  on_bad_image: str = "error",
  on_shared: str = "error",
  ignore_values: Sequence[int] = (),
  objects: bool = False,
  channels: int = 3,
  bits: int = 8,
  bands: Sequence[int] = (),
  show: int = 24,
) -> Survey:
  """Looks at all images of a folder, and at what annotations say of them.

  JPEGs are decoded at an eighth of their size, which finds what is damaged at a
  third of the cost; masks are decoded whole.

  Args:
    own: the folder.
    class_names: the labels' names; () takes the data's.
    on_bad_box, on_bad_image, on_shared: what training does about such.
    ignore_values: the masks' values that do not count.
    objects: whether masks number single objects, see `decode_target`.
    channels, bits, bands: what training decodes images to, see `decode_image`.
    show: examples for a sheet, spread over the splits.

  Raises:
    UserError: if the folder is of no layout.
  """
  found, digests = Survey(), {}
  bands = tuple(bands)
  wanted = Wanted(own.has, len(bands) or channels, bits, bands, objects)
  place = own.found.layout and own.place  # raises where it is none
  try:
    names = class_names or getattr(own.whole("train"), "class_names", ())
    found.names = tuple(names)
    if own.has == LABELS:
      own.check_classes(own.whole("train", class_names=names), found.names)
    sources = {s: _open(own, s, found.names) for s in own.split_names()}
    each = max(show // max(len(sources), 1), 1)
    for split, source in sources.items():
      digests[split] = _look(found, wanted, split, source, each)
  except UserError as error:
    found.stops.append(str(error))
  if own.has == MASKS and not class_names:
    _check_values(found, place, ignore_values)
  _compare(found, own, digests, on_shared)
  policies = {_DAMAGED: on_bad_image, _BOXES: on_bad_box}
  for kind, places in found.faults.items():
    if policies.get(kind, "error") == "error" and kind != _SHARED:
      fix = f": {wanted.advice(found.depths)}" if kind == _CHANNELS else ""
      found.stops.append(f"{len(places)} {kind}, such as {places[0]}{fix}")
  return found


def _open(own: Own, split: str, names: Sequence[str]) -> Source:
  if own.has == MASKS:
    return own.open(split)
  given = {"on_bad_box": "drop"} if own.has == BOXES else {}
  return own.open(split, class_names=tuple(names), **given)


def _look(
  found: Survey, wanted: Wanted, split: str, source: Source, show: int
) -> dict[bytes, str]:
  """Looks at a split; returns the hash of each image -> its name."""
  n = len(source)
  found.images[split] = n
  counts = found.classes.setdefault(split, collections.Counter())
  shown = set(np.linspace(0, n - 1, min(show, n)).astype(int).tolist())
  digests: dict[bytes, str] = {}
  look = functools.partial(_example, source, wanted, shown)
  source.read(np.arange(min(n, 1)))  # checks annotations, once
  with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
    for row in pool.map(look, range(n), chunksize=16):
      for kind, place in row.faults:
        found.add(kind, place)
      if row.size:
        found.sizes[row.size] += 1
      if row.depth:
        found.depths[row.depth] += 1
      counts.update(row.classes if wanted.has != MASKS else set(row.classes))
      found.boxes.update(row.boxes)
      if row.digest:
        digests.setdefault(row.digest, row.name)
      found.shown += [row.shown | {"split": split}] if row.shown else []
  whole = getattr(source, "source", source)
  if check := getattr(whole, "check", None):
    news = [f"{place} {what}" for place, what in check.bad.items()]
    known = set(found.faults.get(_BOXES, ()))
    found.add(_BOXES, *(new for new in news if new not in known))
    if not found.faults[_BOXES]:
      del found.faults[_BOXES]
  return digests


@dataclasses.dataclass
class _Row:
  """What one example has."""

  name: str = ""
  size: tuple[int, int] | None = None
  depth: tuple[int, int] | None = None
  digest: bytes = b""
  classes: Sequence[int] = ()
  boxes: Sequence[str] = ()
  faults: list[tuple[str, str]] = dataclasses.field(default_factory=list)
  shown: Example | None = None


def _example(source: Source, wanted: Wanted, shown: set[int], i: int) -> _Row:
  row = _Row()
  try:
    (example,) = source.read(np.array([i]))
    row.name, data = str(example["name"]), example["image"]
    row.size = size_of(data)
    row.digest = _digest(data)
    row.depth = depth(data)
    try:
      image = wanted.image(data, row.name, whole=i in shown)
    except WrongChannels as error:
      row.faults.append((_CHANNELS, wanted.place(error, row.name, row.depth)))
      image = as_stored(data, row.name) if isinstance(data, bytes) else data
    _add_truth(row, example, wanted)
    if i in shown:
      row.shown = dict(example) | {"image": image}
  except BadImage as error:
    of_mask = row.name and error.name != row.name
    kind = _MASKS if of_mask else _DAMAGED
    row.faults.append((kind, f"{error.name}: {error.reason}"))
  except DataError as error:
    row.faults.append((_MASKS, str(error)))
  return row


def _digest(data: bytes | np.ndarray) -> bytes:
  plain = data if isinstance(data, bytes) else np.ascontiguousarray(data).data
  return hashlib.blake2b(plain, digest_size=16).digest()


def _add_truth(row: _Row, example: Example, wanted: Wanted) -> None:
  has = wanted.has
  if has == MASKS:
    name = str(example["target_name"])
    mask = open_mask(example["target"], name, wanted.objects)
    example["target"] = mask
    row.classes = np.unique(mask).tolist()
    if row.size and mask.shape != row.size:
      given = "x".join(map(str, mask.shape))
      row.faults.append(
        (_MASKS, f"{name}: is {given}, its image {row.size[0]}x{row.size[1]}")
      )
  elif has == BOXES:
    row.classes = example["label"].tolist()
    given = tuple(int(n) for n in example["size"])
    areas = example["boxes"][:, 2:].prod(1) * np.prod(given)
    row.boxes = [_size_name(area) for area in areas]
    if row.size and given != row.size:
      where = f"{row.name}: says {given[0]}x{given[1]}"
      row.faults.append((_SIZES, f"{where}, is {row.size[0]}x{row.size[1]}"))
  else:
    row.classes = [int(example["label"])]


def _size_name(area: float) -> str:
  return next((k for k, n in _SIDES.items() if area < n**2), "large")


def _check_values(
  found: Survey, place: str, ignore_values: Sequence[int]
) -> None:
  """Notes values of masks that do not say what they are."""
  seen = {value for counts in found.classes.values() for value in counts}
  values = sorted(seen - set(ignore_values))
  if values and not are_classes(values):
    found.stops.append(gaps(place, values))
  found.names = tuple(map(str, range(len(values))))


def _compare(
  found: Survey,
  own: Own,
  digests: Mapping[str, Mapping[bytes, str]],
  on_shared: str,
) -> None:
  """Notes the images that are in two splits."""
  for first, second in itertools.combinations(digests, 2):
    left, right = digests[first], digests[second]
    pairs = [(left[key], right[key]) for key in left if key in right]
    if not pairs:
      continue
    given = [f"{first} {one} = {second} {other}" for one, other in pairs]
    found.add(_SHARED, *given)
    if own.is_refused(first, second, on_shared):
      found.stops.append(str(refuse_shared(first, second, pairs, own.place)))
