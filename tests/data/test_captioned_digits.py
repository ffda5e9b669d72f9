"""Scenes of two digits show what their captions tell, in either order."""

import numpy as np
import pytest

from vision_jax.data.errors import DataError
from vision_jax.data.sources.captioned_digits import (
  COLOURS,
  KINDS,
  LENGTH,
  SIZE,
  WORDS,
  CaptionedDigits,
  SceneHalves,
)
from vision_jax.data.text.letters import decoded
from vision_jax.data.transforms.text import read_text

NUMBER = 300


def examples(split="train", number=NUMBER, **options):
  source = CaptionedDigits(split, number, **options)
  return source.read(np.arange(number))


def nearest_colour(half):
  """The colour whose hue a half's brightest pixels have."""
  pixels = half.reshape(-1, 3).astype(np.float32)
  bright = pixels[np.argsort(np.ptp(pixels, axis=1))[-8:]].mean(0)
  far = {k: np.abs(np.float32(c) - bright).sum() for k, c in COLOURS.items()}
  return min(far, key=far.get)


def test_images_show_what_captions_tell():
  orders = set()
  for example in examples():
    assert example["image"].shape == (SIZE, 2 * SIZE, 3)
    words = decoded(example["text"]).split()
    assert len(words) == LENGTH and {*words} <= {*WORDS}
    pair = [" ".join(words[1:3]), " ".join(words[6:])]
    places = pair if words[3] == "left" else pair[::-1]
    assert places == [KINDS[kind] for kind in example["kinds"]]
    halves = np.split(example["image"], 2, axis=1)
    found = [nearest_colour(half) for half in halves]
    assert found == [kind.split()[0] for kind in places]
    orders.add(words[3])
  assert orders == {"left", "right"}


def test_a_scene_is_pure_and_splits_share_no_caption():
  once, again = examples()[7], CaptionedDigits("train", 9).read([7])[0]
  np.testing.assert_array_equal(once["image"], again["image"])
  assert decoded(once["text"]) == decoded(again["text"])
  other = CaptionedDigits("train", 9, seed=1)
  assert not np.array_equal(other.read([7])[0]["image"], once["image"])
  assert other.fingerprint() != CaptionedDigits("train", 9).fingerprint()
  shown = lambda split: {tuple(x["kinds"]) for x in examples(split)}
  test = shown("test")
  assert len(test) > 100 and not test & shown("train")


def test_halves_are_what_a_place_shows():
  scenes = CaptionedDigits("test", 4)
  halves, whole = SceneHalves(scenes), scenes.read([3])[0]
  assert len(halves) == 8
  left, right = halves.read(np.array([6, 7]))
  both = np.concatenate([left["image"], right["image"]], axis=1)
  np.testing.assert_array_equal(both, whole["image"])
  assert [left["label"], right["label"]] == [*whole["kinds"]]


def test_a_text_is_read_by_what_a_condition_reads_it_with():
  text = np.int32([*map(ord, "red 3"), 0])
  got = read_text(lambda x: np.int32([len(x.split())]))({"text": text}, None)
  np.testing.assert_array_equal(got["tokens"], [2])


@pytest.mark.parametrize(
  ("split", "number", "seed", "message"),
  [
    ("val", 3, 0, "got split 'val' and length 3; expected train or test"),
    ("test", 0, 0, "length 0; expected train or test, and at least 1 scene"),
    ("test", 1, -1, "seed"),
  ],
)
def test_scenes_that_cannot_be_are_refused(split, number, seed, message):
  with pytest.raises(DataError, match=message):
    CaptionedDigits(split, number, seed=seed)
