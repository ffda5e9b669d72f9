"""Seeds as jobs of a cluster, or as processes beside one another: submitit."""

import math
import pathlib
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.execute import Plan, run_seed
from benchmarks.finished import RunFailed
from benchmarks.row import Row
from vision_jax.errors import UserError

KINDS = ("slurm", "local")
# What submitit knows of every cluster; others are of one: partition, qos.
SHARED = {
  *("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task"),
  *("gpus_per_node", "tasks_per_node", "stderr_to_stdout"),
}
SLOWER = 3.0  # times the seconds that a row says, until a job is ended
LEAST_MINUTES = 20
_FLAG = re.compile(r"--launcher\.(\w+)=(.*)")


class Launcher:
  """Runs functions elsewhere.

  Args:
    kind: one of KINDS.
    values: --launcher.KEY=VALUE, as text.
    folder: of logs, which all machines see.

  Raises:
    UserError: if submitit or the cluster is not there, or a key is unknown.
  """

  def __init__(
    self, kind: str, values: Mapping[str, str], folder: pathlib.Path
  ):
    _check(kind)
    import submitit

    self._errors = submitit.core.utils.FailedJobError
    self._executor = submitit.AutoExecutor(folder, cluster=kind)
    own = {
      key if key in SHARED else f"{kind}_{key}": _typed(value)
      for key, value in values.items()
    }
    self._limited = "timeout_min" in own
    try:
      self._executor.update_parameters(**own)
    except (NameError, TypeError, AssertionError, ValueError) as error:
      raise UserError(
        f"--launcher.KEY=VALUE: got {', '.join(values)}; {error!s:.300}"
      ) from error

  def result(self, fn: Callable[..., Any], *args: Any) -> Any:
    """Runs a function, and waits for it.

    Raises:
      RunFailed: if its job does not end well.
    """
    return self._wait(self._executor.submit(fn, *args))

  def seeds(
    self, wanted: Iterable[tuple[Row, int, Plan]]
  ) -> Callable[[Row, int, Plan], Any]:
    """Submits a job a seed; returns what waits for the outcome of one."""
    jobs = {}
    for row, seed, plan in wanted:
      if not self._limited:
        minutes = math.ceil(SLOWER * row.seconds / 60)
        limit = max(minutes, LEAST_MINUTES)
        self._executor.update_parameters(timeout_min=limit)
      job = self._executor.submit(run_seed, row, seed, plan)
      jobs[plan.output, row.name, seed] = job
    print(f"submitted {len(jobs)} jobs; logs in {self._executor.folder}")
    return lambda row, seed, plan: self._wait(jobs[plan.output, row.name, seed])

  def _wait(self, job: Any) -> Any:
    try:
      return job.result()
    except self._errors as error:
      lines = [x.strip() for x in str(error).splitlines() if x.strip()]
      last = next((x for x in lines[::-1] if "Error" in x or "RunFailed" in x),
                  lines[-1])  # fmt: skip
      raise RunFailed(f"job {job.job_id}: {last}") from error


def read(words: Iterable[str]) -> tuple[dict[str, str], list[str]]:
  """Returns the values of --launcher.KEY=VALUE, and the other words."""
  values, others = {}, []
  for word in words:
    if found := _FLAG.fullmatch(word):
      values[found[1]] = found[2]
    else:
      others.append(word)
  return values, others


def _check(kind: str) -> None:
  if kind not in KINDS:
    raise UserError(
      f"--launcher: got {kind!r}; expected one of {', '.join(KINDS)}."
    )
  if kind == "slurm" and shutil.which("sbatch") is None:
    raise UserError(
      "--launcher=slurm: there is no sbatch here; expected a machine from "
      "which SLURM's jobs are submitted. --launcher=local runs the seeds as "
      "processes of this one, without the flag they run one by one."
    )
  try:
    import submitit  # noqa: F401
  except ImportError as error:
    raise UserError(
      "--launcher: submitit is not installed: pip install "
      "'vision_jax[launcher]', or pip install submitit."
    ) from error


def _typed(value: str) -> int | float | str:
  for kind in (int, float):
    try:
      return kind(value)
    except ValueError:
      pass
  return value
