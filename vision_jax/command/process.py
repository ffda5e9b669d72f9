"""The process that a command runs in: options, other processes, devices."""

import os
from importlib.metadata import version

import jax

from vision_jax import tuning
from vision_jax.cluster import connect as cluster
from vision_jax.command.options import Log, Options
from vision_jax.errors import UserError


def set_up(mode: Options, convolutional: bool, log: Log) -> None:
  """Readies the process: XLA's options, the other processes, the devices.

  Args:
    mode: the command's flags.
    convolutional: whether the nets are, as the config says.
    log: prints a line for the user.

  Raises:
    UserError: if the environment asks for devices that are not there, or the
      other processes cannot be found as the flags say.
    RunFailure: if they do not come.
  """
  file = tuning.flags_file()
  if file is not None and not os.path.isfile(file):  # XLA would end in silence
    raise UserError(
      f"XLA_FLAGS={file}: expected flags, which begin with --, or the name of "
      "a file of them; there is no such file."
    )
  _check_options()
  if mode.cpu_tuning == "auto" and convolutional:
    if file is not None:
      log(
        f"XLA_FLAGS names the file {file}: left alone, so XLA's option for "
        "convolutions on a CPU is what that file says."
      )
    tuning.tune_convolutions()
  if mode.cpu_tuning == "auto" and (mode.num_processes or 1) == 1:
    tuning.tune_dispatch(jax.config.update)
  if tuning.on_gpu():
    _set_gpu_options(mode, log)
  cluster.connect(
    mode.coordinator,
    mode.num_processes,
    mode.process_id,
    seconds=mode.connect_timeout,
    log=log,
  )
  start_backend()


def _check_options() -> None:
  """Checks the user's options, at an unknown one of which XLA would abort."""
  if not os.environ.get("XLA_FLAGS"):
    return
  try:
    given = tuning.options()
  except (OSError, ValueError) as error:
    raise UserError(
      f"XLA_FLAGS={os.environ['XLA_FLAGS']:.200}: cannot be read ({error}); "
      "expected options, each quotation closed, or the name of a file of them."
    ) from error
  if unknown := tuning.unknown_options(given):
    raise UserError(
      f"XLA_FLAGS: got {', '.join(unknown)}; expected options that the "
      f"installed jaxlib {version('jaxlib')} knows. Take out what it does not "
      "know, or install the version that the option is of."
    )


def _set_gpu_options(mode: Options, log: Log) -> None:
  """Sets what the flags ask for on GPUs, where XLA has it."""
  several = tuning.gpus() > 1 or (mode.num_processes or 1) > 1
  if mode.gpu_tuning == "auto":
    tuning.tune_memory()
    if several and tuning.unknown_options([tuning.HIDE_LATENCY]):
      log(
        f"jaxlib {version('jaxlib')} has no {tuning.HIDE_LATENCY}: left out; "
        "--gpu_tuning=off does not ask for it."
      )
    elif several:
      tuning.add_option(tuning.HIDE_LATENCY, "true")
  if not mode.deterministic:
    return
  if tuning.unknown_options([tuning.DETERMINISTIC]):
    raise UserError(
      f"--deterministic: jaxlib {version('jaxlib')} has no "
      f"{tuning.DETERMINISTIC}; expected a version that has, such as 0.10 or "
      "0.11. Leave the flag out, or install one."
    )
  tuning.add_option(tuning.DETERMINISTIC, "true")
  if tuning.options().get(tuning.DETERMINISTIC) not in ("true", "1", ""):
    raise UserError(
      f"--deterministic: got XLA_FLAGS={os.environ['XLA_FLAGS']}; expected "
      f"{tuning.DETERMINISTIC}=true in what it says or names, or nothing of it."
    )


def start_backend() -> None:
  """Starts jax's devices, which shows whether JAX_PLATFORMS can be meant."""
  try:
    jax.devices()
  except RuntimeError as error:
    platforms = os.environ.get("JAX_PLATFORMS")
    if not platforms:
      raise
    raise UserError(
      f"JAX_PLATFORMS={platforms}: {str(error).splitlines()[0]:.200} Expected "
      "a platform that this machine and the installed jax have, such as cpu; "
      "unset it to take what there is."
    ) from error
