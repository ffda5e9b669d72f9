"""A folder that appears when it is complete."""

import contextlib
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator

from vision_jax.errors import UserError
from vision_jax.files import is_remote

FILES = (".safetensors", ".stablehlo", ".onnx", ".json")


def check_place(output: str) -> pathlib.Path:
  """Returns a folder that is to be made.

  Raises:
    UserError: if there is something, or it cannot be a folder.
  """
  path = pathlib.Path(output)
  if is_remote(output):
    raise UserError(
      f"--output: got {output}; expected a local folder. Copy it from there."
    )
  if path.suffix in FILES:
    raise UserError(
      f"--output: got the file {path}; expected a folder, which the format's "
      "files are written to, such as --output="
      f"{path.with_suffix('')}."
    )
  if path.is_symlink() or path.exists():
    raise UserError(
      f"--output: {path} exists; expected a folder that does not. Choose "
      "another, or remove it."
    )
  return path


@contextlib.contextmanager
def whole(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a folder to write to, which takes its name once all went well."""
  folder.parent.mkdir(parents=True, exist_ok=True)
  new = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
  new.mkdir()
  try:
    yield new
    os.rename(new, folder)
  finally:
    if new.exists():
      shutil.rmtree(new)
