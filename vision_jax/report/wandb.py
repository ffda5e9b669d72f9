"""Weights & Biases, for those who use it: --wandb=PROJECT."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.files import replace_text

ID_FILE = "wandb_id"


class WandB:
  """Logs scalars and images to a run of W&B, and resumes it with the workdir.

  Steps are a metric of their own ("step"), since W&B would drop what a resumed
  run logs again.
  """

  def __init__(
    self,
    project: str,
    workdir: epath.PathLike,
    config: Mapping[str, Any] | None = None,
  ):
    """Starts the run, or goes on with the one that the workdir names.

    Args:
      project: W&B's project.
      workdir: the run's folder; its name is the run's name.
      config: values to show with the run.

    Raises:
      UserError: if the wandb package is not installed.
    """
    try:
      import wandb
    except ImportError as error:
      raise UserError(
        f"--wandb={project} needs the wandb package, which is not installed. "
        "Fix: pip install wandb, or leave the flag out."
      ) from error
    self._wandb = wandb
    workdir = epath.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    known = workdir / ID_FILE
    self._run = wandb.init(
      project=project,
      name=workdir.name,
      config=dict(config or {}),
      id=known.read_text().strip() if known.exists() else None,
      resume="allow",
    )
    self._run.define_metric("*", step_metric="step")
    replace_text(known, self._run.id)

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Logs scalars, `values` by name."""
    self._run.log({**{n: float(x) for n, x in values.items()}, "step": step})

  def images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    """Logs images, (h, w, c), by name."""
    shown = {name: self._wandb.Image(x) for name, x in images.items()}
    self._run.log({**shown, "step": step})

  def close(self) -> None:
    """Ends the run."""
    self._run.finish()
