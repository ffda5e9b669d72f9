"""Devices of a CPU, as many as are planned for."""

import jax

from vision_jax.errors import UserError


def make_devices(count: int) -> None:
  """Makes jax take so many devices of this CPU, and nothing else.

  Raises:
    UserError: if jax has started others before.
  """
  try:
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", count)
    there = jax.device_count()
  except RuntimeError:  # it has started
    there = jax.device_count()
  if there != count:
    raise UserError(
      f"--devices: got {count}, but jax has {there} devices of a CPU already; "
      "expected to make them: unset XLA_FLAGS, and plan in a process of its "
      "own."
    )
