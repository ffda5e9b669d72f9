"""Images like a query, among a user's own, by the cosine of their features."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.files import SUFFIXES
from vision_jax.data.loader import Loader
from vision_jax.data.source import Source
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.subsets import subset
from vision_jax.data.transforms.image import decode, resize
from vision_jax.errors import UserError
from vision_jax.transfer.features import Features
from vision_jax.transfer.nearest import nearest

SIDE = 32  # pixels of the images that are compared without a net
BATCH = 64
Extract = Callable[..., Features]  # as `Extractor`: (source, *, on_bad_image)


@dataclasses.dataclass(frozen=True)
class Found:
  """The images nearest to a query.

  Attributes:
    query: its file.
    files: (k,), the nearest first.
    cosine: (k,), falling.
    compared: with how many images it was compared.
    left_out: why an image was not -> the files.
  """

  query: pathlib.Path
  files: tuple[pathlib.Path, ...]
  cosine: np.ndarray
  compared: int
  left_out: dict[str, list[str]]


def search(
  query: str | os.PathLike[str],
  images: str | os.PathLike[str],
  number: int,
  extract: Extract,
) -> Found:
  """Compares a query with all images; exact.

  The query itself, where it lies among the images, and what cannot be read are
  left out.

  Args:
    query: an image.
    images: the others, as `ImageList` takes them.
    number: how many of the nearest are asked for.
    extract: gives features: an `Extractor`, or `pixels`.

  Raises:
    UserError: if the query is no image, there are no images, or fewer than are
      asked for.
  """
  file, gallery = query_file(query), ImageList(images)
  others = [i for i, x in enumerate(gallery.files) if not _same(x, file)]
  near = _of_query(extract, file)
  _check_number(number, len(others), images)
  left_out = {}
  if len(others) < len(gallery):
    left_out["The query itself"] = [str(file)]
  part = subset(gallery, np.array(others, np.int64))
  found = extract(part, on_bad_image="skip")
  read = [gallery.files[others[i]] for i in found.index]
  if bad := sorted({str(gallery.files[i]) for i in others} - {*map(str, read)}):
    left_out["Unreadable"] = bad
  _check_number(number, len(read), images, " that can be read")
  cosine, places = nearest(near.values, found.values, number)
  files = tuple(read[i] for i in places[0])
  return Found(file, files, cosine[0], len(read), left_out)


def pixels(source: Source, *, on_bad_image: str = "error") -> Features:
  """Returns images as their pixels, 32x32 in colour, less their mean.

  What is compared without a net: a baseline.
  """
  steps = (decode(3), resize((SIDE, SIDE)))
  options = {"shuffle": False, "on_bad_image": on_bad_image}
  values, index = [], []
  with Loader(source, steps, BATCH, **options) as loader:
    for batch in loader.epoch():
      real = batch["mask"] > 0
      image = batch["image"][real].astype(np.float32)
      flat = image.reshape(len(image), SIDE * SIDE * 3)
      values.append(flat - flat.mean(1, keepdims=True))
      index.append(batch["index"][real])
  return Features(np.concatenate(index), np.concatenate(values))


def query_file(path: str | os.PathLike[str]) -> pathlib.Path:
  """Returns the file of a query.

  Raises:
    UserError: if it is no image.
  """
  path, kinds = pathlib.Path(path), " ".join(sorted(SUFFIXES))
  if path.is_file() and path.suffix.lower() in SUFFIXES:
    return path
  what = "is a folder" if path.is_dir() else "is a file of another kind"
  what = what if path.exists() else "does not exist"
  raise UserError(
    f"--query: {path} {what}; expected one image, out of {kinds}. Check the "
    "path; the images to search in are --images."
  )


def _of_query(extract: Extract, file: pathlib.Path) -> Features:
  try:
    return extract(ImageList(file))
  except DataError as error:
    reason = getattr(error, "reason", error)
    raise UserError(
      f"--query: {file} cannot be read ({reason}); expected a whole, decodable "
      "image of the net's channels. Give another one."
    ) from error


def _check_number(
  number: int, have: int, images: str | os.PathLike[str], which: str = ""
) -> None:
  if have == 0:
    raise UserError(
      f"--images: {images} has no images{which} besides the query; expected "
      "some to search in."
    )
  if have < number:
    raise UserError(
      f"--neighbours: got {number}, and {images} has {have} images{which}; "
      f"expected at most as many. Pass --neighbours={have}, or add images."
    )


def _same(a: pathlib.Path, b: pathlib.Path) -> bool:
  return a.name == b.name and os.path.samefile(a, b)
