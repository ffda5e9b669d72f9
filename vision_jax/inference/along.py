"""Samples along a training: the same noise, by one checkpoint after another."""

from collections.abc import Callable

import jax
from etils import epath

from vision_jax.errors import UserError
from vision_jax.inference.sample import draw, shape_of
from vision_jax.inference.trained import Trained
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.viz.grid import grid
from vision_jax.viz.png import write_png
from vision_jax.writers import folder
from vision_jax.writers.images import WRITTEN, write_video

RATE = 4.0  # checkpoints a second, where nothing is said
ROW = 10  # images of a row of the picture


def sample_along(
  trained: Trained,
  output: epath.PathLike,
  *,
  num_samples: int = 64,
  video: float = 0.0,
  log: Callable[[str], None] = print,
  **options: bool | float | str | None,
) -> None:
  """Draws by every checkpoint of a run, with the same noise.

  Writes `along.png`, a row of the first images for each checkpoint, with its
  step, and `along.mp4`, a grid of all for each.

  Args:
    trained: the run.
    output: the folder; created.
    num_samples: how many images each draws.
    video: checkpoints a second; 0 takes 4.
    log: prints a line for the user.
    **options: of `sample.draw`.

  Raises:
    UserError: if the run has one checkpoint.
  """
  with Checkpoints(trained.workdir / "checkpoints", read_only=True) as saved:
    steps = saved.steps
  if len(steps) < 2:
    raise UserError(
      f"--along: {trained.workdir} has {len(steps)} checkpoint; expected two "
      "or more. Train with --config.save_every=N --config.keep_every=N, which "
      "keeps one of every N steps."
    )
  folder.check_fresh(output, WRITTEN)
  frames, cells, titles = [], [], []
  for step in steps:
    now = trained.at(step)
    drawn, columns = draw(
      *(now.experiment.task, now.weights(), now.execution),
      *(shape_of(now.experiment, now.batch), num_samples),
      **options,
    )
    images = drawn["image"]
    frames.append(grid(images, columns))
    row = images[:ROW]
    cells += [*row]
    titles += [f"{step:,}", *[""] * (len(row) - 1)]
  if jax.process_index() == 0:
    output = epath.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    shown = grid(cells, min(ROW, num_samples), titles=titles)
    write_png(output / "along.png", shown)
    write_video(output / "along.mp4", frames, video or RATE)
    log(f"{len(steps)} checkpoints: {output}")
