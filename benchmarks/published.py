"""Files that others have published, outside the project."""

import hashlib
import os
import pathlib

from benchmarks.row import Row

ENVIRONMENT = "VISION_JAX_WEIGHTS"


def missing(row: Row) -> str:
  """Says why a row's file cannot be evaluated here; empty if it can."""
  folder = os.environ.get(ENVIRONMENT)
  file = pathlib.Path(folder or "", row.file)
  if not folder or not file.is_file():
    return f"needs {row.file} in the folder that {ENVIRONMENT} names"
  with file.open("rb") as stream:
    found = hashlib.file_digest(stream, "sha256").hexdigest()
  if found != row.sha256:
    return f"{file} is another file: sha256 {found}, expected {row.sha256}"
  return ""
