"""Data sets of images with texts, by name: generated strings, or one's own."""

import dataclasses
from collections.abc import Sequence

import ml_collections

from vision_jax.core.checks import check_name
from vision_jax.data.source import Source
from vision_jax.data.sources.strings import Strings
from vision_jax.data.sources.text_table import TextTable
from vision_jax.data.subsets import split_train
from vision_jax.data.text.letters import check_alphabet
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet
from vision_jax.pipelines.sources.labels import LabelData

SPLITS = ("train", "val", "test")
HELD = 0.1  # share of a table without splits that is val
PASTED = ("mnist", "digits", "idx")  # strings are made of their images


@dataclasses.dataclass(frozen=True)
class TextData(DataSet):
  """A data set of images with texts.

  Of generated strings val's are made of glyphs held out of train, and test's of
  test's.

  Attributes:
    dataset: "mnist"; "digits", scikit-learn's; "idx", a folder with MNIST's or
      EMNIST's files; or "folder", with images and a table, see `TextTable`.
    alphabet: the letters that texts may have.
    data_dir: the folder.
    image_size: (h, w) of the strings' images.
    letters: fewest and most letters to train on; the most are what a net reads.
    test_letters: the same of val and test.
    overlap, shift, textures: see `Strings`.
    strings: how many there are in train, val and test.
    glyph_size: side of scikit-learn's digits, as they are enlarged.
    holdout: glyphs of train that are val's.
    threads: of decoding.
  """

  dataset: str
  alphabet: str
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  image_size: Sequence[int] = (32, 152)
  letters: Sequence[int] = (3, 7)
  test_letters: Sequence[int] = (5, 5)
  overlap: Sequence[int] = (8, 12)
  shift: int = 2
  textures: float = 0.0
  strings: Sequence[int] = (0, 0, 0)
  glyph_size: int = 28
  holdout: int = 0
  threads: int = 0

  def __post_init__(self):
    check_name("--config.dataset", self.dataset, (*PASTED, "folder"))
    check_alphabet(self.alphabet)
    numbers = {"letters": 2, "test_letters": 2, "overlap": 2, "strings": 3}
    for name, number in (numbers | {"image_size": 2}).items():
      if len(getattr(self, name)) != number:
        raise UserError(
          f"--config.{name}: got {getattr(self, name)}; expected {number} "
          "numbers."
        )

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "TextData":
    """Returns the data set of a config with keys of these names."""
    return cls(
      config.dataset,
      config.alphabet,
      data_dir=config.data_dir,
      image_size=tuple(config.image_size),
      letters=tuple(config.letters),
      test_letters=tuple(config.test_letters),
      overlap=tuple(config.overlap),
      shift=config.shift,
      textures=config.textures,
      strings=tuple(config.strings),
      glyph_size=config.glyph_size,
      holdout=config.holdout,
      threads=config.threads,
    )

  def names(self) -> tuple[str, ...]:
    """Returns (): a text has no class."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have images, train first.

    Raises:
      UserError: if there is no train.
    """
    if self.dataset != "folder":
      counted = zip(SPLITS, self.strings, strict=True)
      return self._with_train([s for s, number in counted if number])
    given = self._table.splits()
    if not given:
      return ["train", "val"]
    given = self._with_train(given)
    return given if "val" in given else ["train", "val", *given[1:]]

  def _with_train(self, given: Sequence[str]) -> Sequence[str]:
    if "train" not in given:
      raise UserError(
        f"--config.dataset={self.dataset}: has the splits "
        f"{', '.join(given) or 'none'}; expected train among them."
      )
    return given

  @property
  def room(self) -> int:
    """Letters of the longest text that there may be."""
    return max(self.letters[1], self.test_letters[1])

  @property
  def _table(self) -> TextTable:
    return TextTable(self.data_dir, self.alphabet, self.room)

  def _open(self, split: str) -> Source:
    if self.dataset != "folder":
      return self._pasted(split)
    own = self._table
    given = own.splits()
    if split == "test" or "val" in given:
      return own.open(split)
    whole = own.open("train" if given else None)
    return split_train(whole, HELD)[split == "val"]

  def _pasted(self, split: str) -> Strings:
    own = self.dataset == "idx"
    glyphs = LabelData(
      "folder" if own else self.dataset,
      image_size=self.glyph_size,
      channels=1,
      holdout=self.holdout,
      data_dir=self.data_dir,
      layout="idx" if own else "",
      threads=self.threads,
    )
    number = SPLITS.index(split)
    return Strings(
      glyphs.open(split),
      self.strings[number],
      alphabet=self.alphabet,
      names=() if own else glyphs.names(),
      size=self.image_size,
      letters=self.letters if split == "train" else self.test_letters,
      room=self.room,
      overlap=self.overlap,
      shift=self.shift,
      textures=self.textures,
      seed=number,
    )
