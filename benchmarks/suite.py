"""Every suite of benchmark rows: what the files in `suites` name.

Adding a row to a file there, or a file with `SUITES`, is all that a new
benchmark needs.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from benchmarks import suites
from benchmarks.row import Row
from vision_jax.errors import UserError


def _found() -> Mapping[str, tuple[Row, ...]]:
  """Joins the suites of all files, by their names."""
  found: dict[str, tuple[Row, ...]] = {}
  for file in pkgutil.iter_modules(suites.__path__):
    module = importlib.import_module(f"{suites.__name__}.{file.name}")
    for name, rows in module.SUITES.items():
      found[name] = (*found.get(name, ()), *rows)
  return MappingProxyType(found)


def by_name(every: Mapping[str, tuple[Row, ...]]) -> dict[str, Row]:
  """Returns the rows of all suites by their names.

  Raises:
    UserError: two have the same.
  """
  found: dict[str, Row] = {}
  for suite, rows in every.items():
    for row in rows:
      if row.name in found:
        raise UserError(
          f"suite {suite!r}: there is a row {row.name!r} already; results are "
          "kept by its name. Choose another."
        )
      found[row.name] = row
  return found


SUITES = _found()
_ROWS = by_name(SUITES)
_PLACES = {row.name: suite for suite, rows in SUITES.items() for row in rows}


# Rows of several suites under one name, in the order in which they are run.
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
  {
    # For an hour of a GPU: what is worth most by the minute comes first.
    "gpu": (
      *("cifar10_fast", "mnist_flow_matching", "cifar10_resnet20"),
      *("mnist_ddpm", "mnist_dcgan", "cifar10_resnet18", "cifar10_vit"),
      *("cifar10_resnet56", "camvid_unet", "bccd_detr", "camvid_enet"),
      *("camvid_espnet", "camvid_fcn8s", "camvid_segnet_basic"),
      *("camvid_deeplabv3", "camvid_fc_densenet", "train400_dncnn_25"),
      *("train400_ffdnet_25", "mnist_vae", "mnist_iwae_k5"),
    ),
  }
)
NAMES = (*SUITES, *GROUPS)


def rows_of(name: str) -> tuple[Row, ...]:
  """Returns the rows of a suite, or of a group."""
  return SUITES.get(name) or tuple(_ROWS[row] for row in GROUPS[name])


def suite_of(row: Row) -> str:
  """Returns the name of the suite that has a row of this name."""
  return _PLACES[row.name]


def row_named(name: str) -> Row:
  """Returns the row of this name.

  Raises:
    UserError: there is none.
  """
  if name not in _ROWS:
    near = difflib.get_close_matches(name, _ROWS, 1, cutoff=0.0)
    raise UserError(f"row is {name!r:.100}, of no suite; is it {near[0]!r}?")
  return _ROWS[name]
