"""The process that measures: `... measure MODULE NAMES SETTINGS`, as JSON.

Calls `MODULE.measure(name, **settings)` of each name and prints what it returns
as a line, with its state. It ends when the process that started it does.
"""

import importlib
import json
import math
import os
import signal
import sys
import threading
import time
from typing import Any

from benchmarks.accelerator.states import ABSENT, FAILED, MEASURED, NotHere
from vision_jax import tuning

WHY = 600  # characters of a reason


def main() -> None:
  """Measures what the arguments name."""
  module, names, settings = sys.argv[1], *map(json.loads, sys.argv[2:4])
  answers = os.fdopen(os.dup(1), "w")
  os.dup2(2, 1)  # what libraries print is no answer
  tuning.tune_memory()  # as the command does
  threading.Thread(target=_end_with_parent, daemon=True).start()
  measured = importlib.import_module(module)
  for name in names:
    start = time.perf_counter()
    row = {"name": name, **attempt(measured, name, settings)}
    row["seconds"] = round(time.perf_counter() - start, 3)
    print(json.dumps(finite(row)), file=answers, flush=True)


def attempt(module: Any, name: str, settings: dict) -> dict[str, Any]:
  """Returns what `module` measures, or why it cannot."""
  try:
    return {"state": MEASURED} | module.measure(name, **settings)
  except NotHere as error:
    return {"state": ABSENT, "why": str(error)[:WHY]}
  except Exception as error:
    sys.excepthook(type(error), error, error.__traceback__)
    return {"state": FAILED, "why": f"{type(error).__name__}: {error}"[:WHY]}


def finite(value: Any) -> Any:
  """Returns a value with None in place of what JSON cannot write."""
  if isinstance(value, dict):
    return {k: finite(v) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [finite(v) for v in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


def _end_with_parent() -> None:
  """Waits for the end of stdin: whoever started this is gone."""
  sys.stdin.read()
  os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
  main()
