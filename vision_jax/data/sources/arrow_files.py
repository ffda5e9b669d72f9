"""Files of parquet and arrow, by pyarrow, which is of an extra."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vision_jax.data.errors import DataError

if TYPE_CHECKING:  # it is of an extra
  import pyarrow


def schema_of(path: pathlib.Path) -> "pyarrow.Schema":
  """Returns a file's columns, and what it tells of them.

  Raises:
    DataError: if pyarrow is missing, or cannot read it.
  """
  pyarrow, parquet = _libraries(path)
  with _Reading(path):
    if path.suffix == ".parquet":
      return parquet.read_schema(path)
    return _arrow(pyarrow, path).schema


def read_columns(
  paths: Sequence[pathlib.Path], columns: Sequence[str]
) -> "pyarrow.Table":
  """Returns some columns of several files, one after the other.

  Raises:
    DataError: if pyarrow cannot read one, naming it.
  """
  pyarrow, parquet = _libraries(paths[0])
  tables = []
  for path in paths:
    with _Reading(path):
      if path.suffix == ".parquet":
        tables.append(parquet.read_table(path, columns=list(columns)))
      else:
        read = _arrow(pyarrow, path).read_all()
        tables.append(read.select(list(columns)))
  with _Reading(paths[0]):
    return pyarrow.concat_tables(tables)


def _arrow(pyarrow: Any, path: pathlib.Path) -> Any:
  """Opens a stream, as `save_to_disk` writes it, or a file, mapped."""
  mapped = pyarrow.memory_map(str(path))
  try:
    return pyarrow.ipc.open_stream(mapped)
  except pyarrow.ArrowInvalid:
    return pyarrow.ipc.open_file(mapped)


def _libraries(path: pathlib.Path) -> tuple[Any, Any]:
  try:
    import pyarrow
    import pyarrow.parquet
  except ImportError as error:
    raise DataError(
      f"table {path}: needs pyarrow, which is not installed; expected it. "
      "Install it: pip install 'vision_jax[data]', or pip install pyarrow."
    ) from error
  return pyarrow, pyarrow.parquet


class _Reading:
  """Names the file in whatever pyarrow raises."""

  def __init__(self, path: pathlib.Path):
    self.path = path

  def __enter__(self) -> None:
    pass

  def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
    wrong = (OSError, ValueError, KeyError, MemoryError)
    if isinstance(error, wrong) and not isinstance(error, DataError):
      raise DataError(
        f"table {self.path}: cannot be read ({error}); expected a whole file "
        "with the columns of the others. Copy it anew."
      ) from error
