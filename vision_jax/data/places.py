"""Where annotations may lead: not outside the folder of the data."""

import os
import pathlib

from vision_jax.data.errors import DataError


def place_inside(
  root: pathlib.Path, folder: pathlib.Path, name: str, where: str
) -> pathlib.Path:
  """Returns the path `name` as seen from `folder`.

  Links are followed by who reads it; what the name itself says must not leave
  the root.

  Args:
    root: the folder that must not be left.
    folder: the folder that the name is relative to.
    name: a name as an annotation has it, with / between its parts.
    where: what an error calls the annotation.

  Raises:
    DataError: if the name is absolute or has .. and leads out of the root.
  """
  path = pathlib.Path(os.path.abspath(folder / name))
  if not path.is_relative_to(os.path.abspath(root)):
    raise DataError(
      f"{where}: names the file {name!r}, which leads outside the folder "
      f"{root}; expected a file inside it. Correct the annotation, or name the "
      "folder of the images with --config.images=FOLDER."
    )
  return path
