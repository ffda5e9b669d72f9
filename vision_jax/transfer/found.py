"""What a search found: as a table, as csv, as a sheet of images."""

import csv
import io
import pathlib

import numpy as np
from etils import epath

from vision_jax.transfer.search import Found
from vision_jax.viz.grid import grid
from vision_jax.viz.png import write_png
from vision_jax.writers import base

SIDE = 160  # pixels of an image's longer side on the sheet
COLUMNS = 6


def table(found: Found) -> str:
  """Returns a line for each image: its rank, its cosine and its file."""
  lines = ["rank  cosine  image"]
  for rank, (cosine, file) in enumerate(_rows(found), 1):
    lines.append(f"{rank:4d}  {cosine:6.4f}  {file}")
  return "\n".join(lines)


def as_csv(found: Found) -> str:
  """Returns the same as csv: rank, cosine, image."""
  text = io.StringIO()
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(("rank", "cosine", "image"))
  for rank, (cosine, file) in enumerate(_rows(found), 1):
    writer.writerow((rank, f"{cosine:.6f}", file))
  return text.getvalue()


def write_sheet(path: epath.PathLike, found: Found) -> None:
  """Writes the query and after it what was found, each with its cosine."""
  base.shown.cache_clear()  # a file may be another than before
  files = (found.query, *found.files)
  titles = ["query", *(f"{cosine:.3f}" for cosine, _ in _rows(found))]
  cells = [_fitted(base.shown(file)) for file in files]
  columns = min(len(cells), COLUMNS)
  write_png(path, grid(cells, columns, titles=titles, least=1))


def _rows(found: Found) -> list[tuple[float, pathlib.Path]]:
  return [*zip(found.cosine.tolist(), found.files, strict=True)]


def _fitted(image: np.ndarray) -> np.ndarray:
  """Returns an image by its nearest pixels, its longer side `SIDE`."""
  factor = SIDE / max(image.shape[:2])
  rows, columns = (
    (np.arange(max(round(n * factor), 1)) / factor).astype(int).clip(0, n - 1)
    for n in image.shape[:2]
  )
  return image[rows][:, columns]
