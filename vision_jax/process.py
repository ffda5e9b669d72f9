"""The process that a command runs in: options, other processes, devices."""

import os
from collections.abc import Callable

import jax
from absl import flags

from vision_jax import tuning
from vision_jax.cluster import connect as cluster
from vision_jax.errors import UserError


def set_up(
  values: flags.FlagValues, convolutional: bool, say: Callable[[str], None]
) -> None:
  """Readies the process: XLA's options, the other processes, the devices.

  Args:
    values: the command's flags.
    convolutional: whether the nets are, as the config says.
    say: tells the user one line.

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
  if values.cpu_tuning == "auto" and convolutional:
    if file is not None:
      say(
        f"XLA_FLAGS names the file {file}: left alone, so XLA's option for "
        "convolutions on a CPU is what that file says."
      )
    tuning.tune_convolutions()
  cluster.connect(
    values.coordinator,
    values.num_processes,
    values.process_id,
    seconds=values.connect_timeout,
    say=say,
  )
  _start_backend()


def _start_backend() -> None:
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
