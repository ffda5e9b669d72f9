"""How this process finds the others of its run, if there are any."""

import os
import pathlib
import re
from collections.abc import Callable, Mapping

import jax

from vision_jax.cluster import rollcall, watch
from vision_jax.errors import UserError

# What launchers set -> who they are, and where a process finds its number.
LAUNCHERS = {
  "OMPI_COMM_WORLD_SIZE": ("Open MPI's mpirun", "OMPI_COMM_WORLD_RANK"),
  "MV2_COMM_WORLD_SIZE": ("MVAPICH2's mpirun", "MV2_COMM_WORLD_RANK"),
  "PMI_SIZE": ("mpiexec", "PMI_RANK"),
  "WORLD_SIZE": ("torchrun", "RANK"),
}
KUBERNETES = "JOB_COMPLETION_INDEX"


def connect(
  coordinator: str | None,
  processes: int | None,
  process: int | None,
  *,
  seconds: float,
  log: Callable[[str], None],
) -> None:
  """Connects this process with the others, before jax starts its devices.

  Args:
    coordinator: HOST:PORT of process 0; None where jax can find it, or where
      this process is alone.
    processes: how many there are; 1 without a coordinator is alone.
    process: number of this process.
    seconds: how long to wait for the others.
    log: prints a line for the user.

  Raises:
    UserError: if the environment looks like one of several processes and
      nobody has said which; or as `rollcall.meet`.
    RunFailure: if the others do not come.
  """
  # It would take SIGTERM away from us, and swallow it outside of training.
  jax.config.update("jax_enable_preemption_service", False)
  limit = {"initialization_timeout": max(1, round(seconds))}
  if coordinator is None and processes == 1:
    return
  if coordinator is None:
    if not in_cluster(os.environ):
      check_alone(os.environ)
      return
    if advice := idle_gpus(os.environ):
      log(advice)
    coordinator, processes, process = tasks_of_slurm()
  if coordinator is not None:
    watch.begin(rollcall.meet(coordinator, processes, process, seconds))
  jax.distributed.initialize(coordinator, processes, process, **limit)


def in_cluster(environ: Mapping[str, str]) -> bool:
  """Whether the environment is one of several tasks that jax can connect."""
  tasks = environ.get("SLURM_NTASKS") or environ.get("SLURM_NPROCS")
  under_slurm = "SLURM_STEP_NODELIST" in environ and int(tasks or 1) > 1
  hosts = environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
  return under_slurm or len(hosts) > 1 or "MEGASCALE_NUM_SLICES" in environ


def tasks_of_slurm() -> tuple[str | None, int | None, int | None]:
  """Returns what jax finds of SLURM's tasks, without public API.

  HOST:PORT of the first one, how many there are, and which one this is; None,
  for jax to find, where this is none of them.
  """
  from jax._src.clusters import SlurmCluster

  if not SlurmCluster.is_env_present():
    return None, None, None
  find = SlurmCluster.auto_detect_unset_distributed_params
  return find(None, None, None, None, SlurmCluster.name, None)[:3]


def check_alone(environ: Mapping[str, str]) -> None:
  """Refuses to train alone, as one of several that do not know each other.

  Raises:
    UserError: saying what to give.
  """
  for name, (launcher, rank) in LAUNCHERS.items():
    size = environ.get(name, "")
    if size.isdigit() and int(size) > 1 and rank in environ:
      raise UserError(_unknown(launcher, f"{name}={size}", size, rank))
  if KUBERNETES in environ:
    found = f"{KUBERNETES}={environ[KUBERNETES]}"
    raise UserError(_unknown("a Kubernetes job", found, "N", KUBERNETES))


def _unknown(launcher: str, found: str, size: str, rank: str) -> str:
  return (
    f"This process is one of several, started by {launcher} ({found}), and "
    "does not know the others: each would train alone in the same workdir. "
    "Give --coordinator=HOST:PORT (HOST is that of process 0, PORT is free), "
    f"--num_processes={size} and --process_id=${rank}; or --num_processes=1 "
    "where each is a run of its own."
  )


def idle_gpus(environ: Mapping[str, str]) -> str | None:
  """What to say where SLURM's tasks leave GPUs of this node idle.

  Under SLURM jax gives each task the one GPU of its number on the node.
  """
  text = environ.get("SLURM_STEP_TASKS_PER_NODE", "")
  tasks = max(map(int, re.findall(r"(?:^|,)(\d+)", text)), default=0)
  gpus = environ.get("SLURM_GPUS_ON_NODE", "")
  gpus = int(gpus) if gpus.isdigit() else _gpus_here()
  if not tasks or gpus <= tasks:
    return None
  return (
    f"SLURM runs {tasks} of its tasks on this node of {gpus} GPUs, and jax "
    f"takes one GPU a task: {gpus - tasks} stay idle. Run one task a GPU, each "
    f"of which sees all: srun --ntasks-per-node={gpus}, without "
    "--gpus-per-task."
  )


def _gpus_here() -> int:
  return len(list(pathlib.Path("/dev").glob("nvidia[0-9]*")))
