"""Where an export may be written."""

import pathlib

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
