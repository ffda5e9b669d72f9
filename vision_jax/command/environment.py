"""What has to be set before jax is imported."""

import os

from vision_jax import paths, tuning

CACHE = "~/.cache/vision_jax/xla"


def prepare(*, tune: bool, cache: str) -> None:
  """Readies the process for jax.

  Args:
    tune: whether to set the allocator, and take the models' fast forms.
    cache: folder of compiled programs, or "off".
  """
  if tune:
    tuning.tune_allocator()
  else:
    os.environ["VISION_JAX_CPU_FORMS"] = "off"
  set_cache(cache)


def set_cache(folder: str) -> None:
  """Names the folder of compiled programs, unless the user already has."""
  if folder == "off" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
    return
  if folder == CACHE and os.path.expanduser(folder) == folder:
    return  # a user without a home folder: nothing is kept
  os.environ["JAX_COMPILATION_CACHE_DIR"] = paths.absolute(folder)
  os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
