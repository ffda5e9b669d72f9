"""Eight CPU devices, cheap compilation, caches, real data."""

import ctypes
import gc
import os
import pathlib
import tempfile

CACHE = pathlib.Path(tempfile.gettempdir()) / f"vision_jax_cache_{os.getuid()}"
os.environ["XDG_CACHE_HOME"] = str(CACHE)  # not the list of the user's configs
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import pytest  # noqa: E402  (jax reads the settings when it is imported)

from tests.programs.flags import compile_cheaply  # noqa: E402

compile_cheaply()
ROOT = pathlib.Path(__file__).parent.parent


def find_data() -> pathlib.Path | None:
  """Returns the folder of real data sets, or None."""
  named = os.environ.get("VISION_JAX_DATA")
  path = pathlib.Path(named) if named else ROOT.parent / "shared" / "data"
  return path.resolve() if path.is_dir() else None


@pytest.fixture(scope="session")
def data_root() -> pathlib.Path:
  """The folder of real data sets; skips where there is none."""
  path = find_data()
  if path is None:
    pytest.skip("real data are absent: set VISION_JAX_DATA to their folder")
  return path


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
  """Between two files, drops the programs compiled: workers stay small."""
  if nextitem is not None and nextitem.path != item.path:
    import jax  # not where only the tests of others are handed out

    jax.clear_caches()
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
      trim(0)  # what glibc would keep for later
