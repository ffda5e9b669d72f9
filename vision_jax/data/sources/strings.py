"""Strings of digits or letters, pasted side by side from images of them."""

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example, Source, read, short_hash
from vision_jax.data.text.letters import check_text, encoded

_VERSION = 1  # of the drawing, part of the fingerprint


class Strings(AsMade):
  """Images of strings; example i is pure in (seed, i) and the glyphs.

  Glyphs are drawn with replacement and laid side by side from the left, each
  over the last columns of the one before by a number of pixels that is drawn
  for the string, and each moved by up to `shift` pixels along both axes. Where
  ink lies over ink the brighter counts. On a texture, a smooth random grey with
  fine noise, ink is of another grey, brighter or darker. All glyphs are read
  before the first string, and kept.

  An example has `image` (h w 1) uint8 and `text` (room,) int32, the code points
  of its letters, padded with zeros.

  Args:
    glyphs: images (s s 1) uint8 of one letter each, with `label`.
    length: number of strings.
    alphabet: the letters that there may be.
    names: the letter of each of the glyphs' classes; () takes their names.
    size: (h, w) of the images.
    letters: fewest and most letters of a string.
    room: letters of the longest text, to which `text` is padded.
    overlap: fewest and most columns that two neighbours share.
    shift: pixels.
    textures: share of the strings that lie on a texture; others on black.
    seed: seed of all strings.

  Raises:
    DataError: for strings that do not fit into the images, on first use for
      glyphs that are no letters of the alphabet.
  """

  def __init__(
    self,
    glyphs: Source,
    length: int,
    *,
    alphabet: str,
    names: Sequence[str] = (),
    size: tuple[int, int] = (32, 152),
    letters: tuple[int, int] = (3, 7),
    room: int = 7,
    overlap: tuple[int, int] = (8, 12),
    shift: int = 2,
    textures: float = 0.0,
    seed: int = 0,
  ):
    check_seed(seed)
    _check_pair("letters", letters, 1, room)
    _check_pair("overlap", overlap, 0, None)
    self.glyphs, self.length, self.alphabet = glyphs, length, alphabet
    self._given, self._lock = tuple(names), Lock()
    self.size, self.letters, self.room = tuple(size), tuple(letters), room
    self.overlap, self.shift = tuple(overlap), shift
    self.textures, self.seed = textures, seed

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of the glyphs and of what defines the strings."""
    return short_hash(
      *(_VERSION, self.glyphs.fingerprint(), self.length, self.size),
      *(self.letters, self.room, self.overlap, self.shift, self.textures),
      *(self.seed, self.alphabet),
    )

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the strings at `indices`."""
    return [self._string(int(i)) for i in indices]

  @functools.cached_property
  def _names(self) -> Sequence[str]:
    """The letter of each class of the glyphs."""
    names = self._given or tuple(self.glyphs.class_names)
    for name in names:
      check_text(name, self.alphabet, "the glyphs' classes")
      if len(name) != 1:
        raise DataError(
          f"the glyphs' classes: got {name!r}; expected one letter for each."
        )
    return names

  @property
  def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
    """All glyphs (n, s, s) and their labels (n,)."""
    with self._lock:  # read once, by whichever thread is first
      return self._read_glyphs

  @functools.cached_property
  def _read_glyphs(self) -> tuple[np.ndarray, np.ndarray]:
    found = read(self.glyphs, np.arange(len(self.glyphs)))
    self._check_fit(*found[0]["image"].shape)
    image = np.stack([x["image"][..., 0] for x in found])
    return image, np.array([int(x["label"]) for x in found])

  def _check_fit(self, h: int, w: int, channels: int) -> None:
    """Checks that glyphs of h x w fit into the images."""
    most, (height, width) = self.letters[1], self.size
    wide = w + (most - 1) * (w - self.overlap[0]) + 2 * self.shift
    if h != w or channels != 1 or self.overlap[1] >= w:
      raise DataError(
        f"strings: got glyphs of {h} x {w} x {channels} and an overlap of "
        f"{self.overlap}; expected grey squares, wider than the overlap."
      )
    if height < h + 2 * self.shift or width < wide:
      raise DataError(
        f"--config.image_size: got {self.size}; expected "
        f"{h + 2 * self.shift} x {wide} or more for strings of {most} letters."
      )

  def _string(self, i: int) -> Example:
    rng = np.random.default_rng((self.seed, i))
    image, label = self._drawn
    low, most = self.letters
    rows = rng.integers(len(image), size=rng.integers(low, most + 1))
    overlap = int(rng.integers(self.overlap[0], self.overlap[1] + 1))
    ink = self._pasted(rng, image[rows], overlap)
    if rng.random() < self.textures:
      ink = _on_texture(rng, ink)
    text = "".join(self._names[k] for k in label[rows])
    return {
      "name": f"strings [{i}]",
      "image": ink[..., None],
      "text": encoded(text, self.room),
    }

  def _pasted(
    self, rng: np.random.Generator, glyphs: np.ndarray, overlap: int
  ) -> np.ndarray:
    """Lays glyphs (n, s, s) side by side."""
    h, side = self.size[0], glyphs.shape[1]
    ink = np.zeros(self.size, np.uint8)
    for j, glyph in enumerate(glyphs):
      dy, dx = rng.integers(-self.shift, self.shift + 1, 2)
      top, left = (h - side) // 2 + dy, self.shift + j * (side - overlap) + dx
      where = ink[top : top + side, left : left + side]
      np.maximum(where, glyph, out=where)
    return ink


def _on_texture(rng: np.random.Generator, ink: np.ndarray) -> np.ndarray:
  """Returns ink (h w) in another grey on a texture, uint8."""
  (h, w), cells = ink.shape, int(rng.integers(2, 9))
  coarse = rng.uniform(-40, 40, (cells, 2 * cells))
  smooth = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
  grey, apart = rng.uniform(40, 215), rng.uniform(90, 160)
  ground = np.clip(grey + smooth + rng.normal(0, 8, ink.shape), 0, 255)
  colour = np.clip(grey + apart if grey < 128 else grey - apart, 0, 255)
  image = ground + ink / 255 * (colour - ground)
  return np.round(image).astype(np.uint8)


def _check_pair(
  name: str, pair: Sequence[int], least: int, most: int | None
) -> None:
  """Checks a fewest and a most."""
  good = len(pair) == 2 and least <= pair[0] <= pair[1]
  if not good or (most is not None and pair[1] > most):
    limit = "" if most is None else f", and {most} at most"
    raise DataError(
      f"strings: got {name} {tuple(pair)}; expected the fewest and the most, "
      f"{least} at least{limit}."
    )
