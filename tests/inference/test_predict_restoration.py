"""Images restored by a command: their own size, their own depth, in order."""

import json

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from vision_jax.errors import UserError
from vision_jax.inference.predict import predict_folder
from vision_jax.models.restoration.espcn import ESPCN
from vision_jax.parallel.named import make_execution
from vision_jax.recipe import recipe
from vision_jax.tasks.restoration import Restoration
from vision_jax.writers.base import About
from vision_jax.writers.restored import RestoredWriter


@pytest.fixture
def experiment():
  return recipe.load("configs/restoration/imported.py:tiny").build()


def test_images_come_back_at_their_size_and_depth(experiment, tmp_path):
  rng = np.random.default_rng(0)
  shapes = {"a": (9, 7), "b": (6, 6), "c": (9, 7)}
  given = {}
  for name, shape in shapes.items():
    white = 65535 if name == "c" else 255
    given[name] = rng.integers(0, white, (*shape, 3)).astype(
      np.uint16 if name == "c" else np.uint8
    )
    cv2.imwrite(str(tmp_path / f"{name}.png"), given[name])
  images = {"image": np.zeros((1, 8, 8, 3), np.uint8)}
  state = experiment.initial_state(jax.random.key(0), images)
  nothing = jax.tree.map(jnp.zeros_like, state.params)  # takes no noise away
  output = epath.Path(tmp_path / "out")
  (tmp_path / "in").mkdir()
  for name in shapes:
    (tmp_path / f"{name}.png").rename(tmp_path / "in" / f"{name}.png")
  predict_folder(
    *(experiment, (nothing, state.stats), make_execution("jit")),
    *(str(tmp_path / "in"), output),
    batch_size=2,
    log=lambda line: None,
  )
  text = (output / "predictions.jsonl").read_text().splitlines()
  lines = [json.loads(line) for line in text]
  assert [line["file"][-5:] for line in lines] == ["a.png", "b.png", "c.png"]
  for line, (_, image) in zip(lines, sorted(given.items()), strict=True):
    found = cv2.imread(line["restored"], cv2.IMREAD_UNCHANGED)
    assert found.dtype == image.dtype
    np.testing.assert_array_equal(found, image)


def test_a_net_that_enlarges_luma_gives_larger_colours():
  task = Restoration(ESPCN(3, 1, (2,), (3, 3)), luma="full")
  batch = {"image": jnp.full((1, 8, 10, 3), 0.5)}
  shape = lambda: task.predict(
    *task.init(jax.random.key(0), batch), batch, jax.random.key(0)
  )
  assert jax.eval_shape(shape)["restored"].shape == (1, 24, 30, 3)


def test_grey_files_come_back_grey_and_deep_of_a_net_of_colours(tmp_path):
  """Which gives colours that differ a little; alpha is no channel."""
  writer = RestoredWriter(About(epath.Path(tmp_path)))
  (tmp_path / "restored").mkdir()
  colours = np.array([0.25, 0.5, 0.75]) * np.ones((4, 5, 3))
  for mode, dtype in ((1, np.uint8), (1, np.uint16), (3, np.uint16)):
    file = tmp_path / f"{mode}.png"
    cv2.imwrite(str(file), np.zeros((4, 5, mode), dtype))
    row = {"restored": colours}
    written = writer(file, row, f"{mode}{dtype.__name__}")["restored"]
    found = cv2.imread(written, cv2.IMREAD_UNCHANGED)
    assert found.dtype == dtype and found.shape == (4, 5, 3)[: 2 + (mode > 1)]
    want = colours[..., ::-1] if mode > 1 else 0.5
    white = np.iinfo(dtype).max
    np.testing.assert_array_equal(found, np.round(want * white + 0 * found))


def test_colours_that_a_grey_net_takes_away_are_warned_of(tmp_path, caplog):
  (tmp_path / "restored").mkdir()
  writer = RestoredWriter(About(epath.Path(tmp_path)))
  for channels, warnings in ((1, 0), (3, 1), (3, 1)):
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.zeros((4, 5, channels), np.uint8))
    path = writer(file, {"restored": np.ones((4, 5, 1))}, "b")["restored"]
    assert cv2.imread(path, cv2.IMREAD_UNCHANGED).shape == (4, 5)
    found = [x for x in caplog.messages if "what it restores is grey" in x]
    assert len(found) == warnings


def test_a_luma_net_gives_deep_colours_at_their_larger_size(tmp_path):
  """A config that enlarges, whole: its files go in, and come out larger."""
  experiment = recipe.load("configs/restoration/t91_fsrcnn.py:tiny").build()
  image = np.full((7, 9, 3), 30000, np.uint16)  # an odd size
  (tmp_path / "in").mkdir()
  cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
  batch = {"image": np.zeros((1, 8, 8, 3), np.uint8)}
  state = jax.jit(lambda: experiment.initial_state(jax.random.key(0), batch))()
  output = epath.Path(tmp_path / "out")
  predict_folder(
    *(experiment, (state.params, state.stats), make_execution("jit")),
    *(str(tmp_path / "in"), output),
    batch_size=1,
    log=lambda line: None,
  )
  line = json.loads((output / "predictions.jsonl").read_text())
  found = cv2.imread(line["restored"], cv2.IMREAD_UNCHANGED)
  assert found.dtype == np.uint16 and found.shape == (21, 27, 3)


def test_noise_of_a_level_that_was_not_trained_on_is_warned_of(caplog):
  name = "configs/restoration/train400_ffdnet.py:tiny"
  task = recipe.load(name, {"noise": "75"}).build().task
  assert task.sigma == 75 and not caplog.records
  recipe.load(name, {"noise": "76"}).build()
  assert "noise of 76 is not what the net is trained on, 0 to 75" in caplog.text
  with pytest.raises(UserError, match="the least and the most"):
    recipe.load(name, {"levels": "30,20"}).build()


def test_one_set_is_named_without_a_comma():
  config = recipe.load("configs/restoration/imported.py", {"tests": "Set12"})
  assert config.config.tests == ("Set12",)
  with pytest.raises(UserError, match="differ from each other"):
    recipe.load("configs/restoration/imported.py", {"tests": "a/x,b/X"}).build()
