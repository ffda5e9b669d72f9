"""What a row needs before it can run, and does not find."""

import os
import pathlib
from collections.abc import Sequence

from benchmarks import execute, logged, published, references
from benchmarks.execute import Plan
from benchmarks.row import Row
from vision_jax.data.errors import DataError
from vision_jax.data.sources.tfds import find_prepared
from vision_jax.errors import UserError


def no_reference(row: Row) -> str:
  """Says what its reference lacks; empty where it is one, or none is named."""
  try:
    references.check(row.reference)
  except UserError as error:
    return str(error)
  return ""


def not_logged(row: Row, seeds: Sequence[int], plan: Plan) -> str:
  """Says which metrics its runs would not log; empty where none is to be run.

  Asked before a run, because it may be days long.
  """
  folder = plan.output / row.name
  if (
    plan.variant == "tiny" or row.source or row.probe
  ):  # takes no longer than to find out
    return ""
  if all((folder / f"seed{n}" / "outcome.json").exists() for n in seeds):
    return ""
  needed = [row.metric, *(() if plan.variant else row.also)]
  words = execute.arguments(row, seeds[0], *execute.planned(row, plan))
  absent = ", ".join(logged.lacking(needed, words))
  return f"a run of {row.config} gives no {absent}" if absent else ""


def missing(row: Row, plan: Plan) -> str:
  """Says what a row needs that is not here; empty if it can run."""
  platform = plan.hardware["platform"]
  usable = {"cpu": True, "gpu": platform != "cpu", "tpu": platform == "tpu"}
  if not usable[row.needs]:
    wanted = "an accelerator" if row.needs == "gpu" else "a TPU"
    return f"needs {wanted}, this machine's jax has {platform} devices"
  root = plan.overrides.get("data_dir") or os.environ.get("VISION_JAX_DATA")
  made = f" ({row.made_by} writes it)" if row.made_by else ""
  if row.source:
    if reason := published.missing(row):
      return reason
  elif row.file and not (root and (pathlib.Path(root) / row.file).is_file()):
    return f"needs {row.file} in the folder that VISION_JAX_DATA names{made}"
  if not row.data:
    return ""
  if root and (pathlib.Path(root) / row.data).is_dir():
    return ""
  if row.own:
    return f"needs {row.data} in the folder that VISION_JAX_DATA names{made}"
  try:
    find_prepared(row.data, plan.overrides.get("data_dir"))
  except DataError as error:
    return str(error).rstrip(".")
  return ""
