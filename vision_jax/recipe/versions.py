"""Which release has written a workdir, and whether this one can go on."""

import contextlib
import json
from collections.abc import Iterator

from etils import epath

import vision_jax
from vision_jax.errors import UserError
from vision_jax.recipe.saved import Saved

# Of what a workdir keeps. The next number where this release cannot go on with
# the runs of those before: config files are written otherwise, a step computes
# something else. 1, which nothing tells of, is of releases up to 0.2.
FORMAT = 2


def check(workdir: epath.Path, saved: Saved) -> None:
  """Refuses to go on with a run of another format.

  Args:
    workdir: the run's folder.
    saved: its config.json.

  Raises:
    UserError: naming the version and commit that have written it.
  """
  if _format(saved) != FORMAT:
    raise UserError(_line(workdir, "go on with its run"))


@contextlib.contextmanager
def reading(workdir: epath.Path, saved: Saved) -> Iterator[bool]:
  """Says of a config that cannot be read which version it is of.

  Yields:
    Whether it is of another format, so that it should be tried out here.

  Raises:
    UserError: naming the version and commit that have written it.
  """
  other = _format(saved) != FORMAT
  try:
    yield other
  except Exception as error:
    if not other:
      raise
    raise UserError(_line(workdir, "read its config")) from error


def _format(saved: Saved) -> int:
  return saved.get("format", 1)


def _line(workdir: epath.Path, what: str) -> str:
  return (
    f"--workdir: {workdir} was written by {_writer(workdir)}; this is "
    f"{vision_jax.__version__}, which cannot {what}. Use that version, or "
    f"begin a new run with its weights: --init_from={workdir}."
  )


def _writer(workdir: epath.Path) -> str:
  """Returns the version and commit of a workdir's last run."""
  try:
    run = json.loads((workdir / "manifest.json").read_text())["runs"][-1]
    version = f"vision_jax {run['packages']['vision_jax']}"
    commit = (run["git"] or {}).get("commit")
    return f"{version} at commit {commit}" if commit else version
  except (OSError, ValueError, LookupError, TypeError, AttributeError):
    return "another version of vision_jax"
