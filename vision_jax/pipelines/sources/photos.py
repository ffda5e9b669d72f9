"""Images of any kind, alone: a folder of one's own, or photographs by name."""

import dataclasses
import functools
from collections.abc import Sequence

import ml_collections

from vision_jax.data.patches import Patches
from vision_jax.data.source import Source
from vision_jax.data.sources.photographs import Photographs
from vision_jax.data.subsets import split_train
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet
from vision_jax.pipelines.sources.domains import HELD, OneKind
from vision_jax.pipelines.sources.pairs import check_apart

SPLITS = ("train", "val")


@dataclasses.dataclass(frozen=True)
class PhotoData(DataSet):
  """A data set of images without anything that is known of them.

  Attributes:
    dataset: "folder", of which a tenth is held out as val by the names; or
      "photographs", which come with packages.
    folder: of images, of any sizes and kinds of files.
    key: of the config, that names the folder.
    photographs: names of those of train and val.
    image_size: side of the squares that photographs of val are cut into.
  """

  dataset: str
  _: dataclasses.KW_ONLY
  folder: str = ""
  key: str = "images"
  photographs: Sequence[Sequence[str]] = ((), ())
  image_size: int = 256

  @classmethod
  def of(
    cls, config: ml_collections.ConfigDict, key: str, folder: str
  ) -> "PhotoData":
    """Returns the data set of a config, whose `key` names the folder."""
    return cls(
      config.dataset,
      folder=folder,
      key=key,
      photographs=(tuple(config.photos_train), tuple(config.photos_val)),
      image_size=config.image_size,
    )

  def names(self) -> tuple[str, ...]:
    """Returns none: nothing is classified."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns train and val.

    Raises:
      UserError: for a data set of another name.
    """
    if self.dataset not in ("folder", "photographs"):
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folder or "
        "photographs."
      )
    return SPLITS

  def _stand_in(self) -> str:
    return "bundled photographs" if self.dataset == "photographs" else ""

  def _given(self) -> dict[str, str]:
    return {self.key: self.folder} if self.folder else {}

  def _open(self, split: str) -> Source:
    number = SPLITS.index(split)
    if self.dataset == "folder":
      return self._parts[number]
    check_apart(self.photographs)
    source = Photographs(self.photographs[number])
    if split == "train":
      return source
    return Patches(Transformed(source, [decode()], keep=True), self.image_size)

  @functools.cached_property
  def _parts(self) -> Sequence[Source]:
    """What is trained on, and what is held out."""
    own = OneKind(self.folder, "images", expected="expected a folder of images")
    return split_train(own, HELD, seed=0)
