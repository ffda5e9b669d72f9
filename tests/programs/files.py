"""Data sets on the disk for the tests of the command, good and bad."""

import numpy as np

from tests.data_fixtures import encode, random_image
from tests.programs.blobs import CLASSES, Blobs


def write_npz(path, n=60, **change):
  """Writes blobs as an npz file; `change` replaces arrays by functions."""
  arrays = Blobs(n, 0).load()
  arrays |= {name: f(arrays[name]) for name, f in change.items()}
  np.savez(path, **arrays)
  return path


def write_folder(folder, each=10):
  """Writes JPEGs of 16x16, so many for each class; returns their paths."""
  files = []
  for k, name in enumerate(CLASSES):
    (folder / name).mkdir(parents=True)
    for i in range(each):
      files.append(folder / name / f"{i}.jpg")
      files[-1].write_bytes(encode(random_image(16, 16, seed=k * each + i)))
  return files


def cut_short(file):
  """Keeps the first half of a file."""
  data = file.read_bytes()
  file.write_bytes(data[: len(data) // 2])


def content(folder):
  """Returns every file's bytes by name, without the lock's."""
  return {
    str(p.relative_to(folder)): p.read_bytes()
    for p in sorted(folder.rglob("*"))
    if p.is_file() and p.name != ".lock"
  }
