"""Objects followed through a video."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING, ClassVar

from vision_jax.command.flags import option
from vision_jax.command.modes import predict
from vision_jax.errors import UserError

if TYPE_CHECKING:  # it imports jax
  from vision_jax.inference.results import Formats


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(predict.Mode):
  """Follows what a detector finds through a video (SORT).

  Writes tracks.csv, the table of the MOT challenge, tracks/VIDEO.mp4 with a
  number for each track, and predictions.jsonl; with --format what predict
  writes, too.
  """

  age: int = option(
    1, "A track ends after more than so many frames without it.", low=0
  )
  hits: int = option(
    3, "Frames in which a track is found before it is shown.", low=1
  )
  least_iou: float = option(
    0.3,
    "Least IoU of a box with where its track is expected.",
    low=1e-6,
    high=1.0,
  )

  name: ClassVar[str] = "track"

  def check(self) -> None:
    """Refuses to begin without a video."""
    from vision_jax.data.sources.video import VIDEOS

    super().check()
    if pathlib.Path(self.images).suffix.lower() not in VIDEOS:
      raise UserError(
        f"--images: got {self.images}; --mode=track expects a video out of "
        f"{' '.join(sorted(VIDEOS))}. Frames become one by ffmpeg -i "
        "FRAMES/%06d.png OUT.mp4."
      )

  def writers(self) -> "Formats":
    """Returns tracks, and the formats named."""
    from vision_jax.inference.tracks import tracks_writer

    made = tracks_writer(age=self.age, hits=self.hits, overlap=self.least_iou)
    return [*(super().writers() or ()), made]
