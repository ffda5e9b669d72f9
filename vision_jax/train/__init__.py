"""Running an experiment: loop, evaluation, checkpoints, logs.

`vision_jax.train.run` is the whole of it; it is found when it is asked for, as
it imports jax.
"""

from typing import Any


def __getattr__(name: str) -> Any:
  if name == "run":
    from vision_jax.train.runs import run

    return run
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
