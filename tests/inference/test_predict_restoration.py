"""Images restored by a command: their own size, their own depth, in order."""

import json

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from vision_jax.core.execution import make_execution
from vision_jax.errors import UserError
from vision_jax.inference.predict import predict_folder
from vision_jax.models.restoration.espcn import ESPCN
from vision_jax.recipe import recipe
from vision_jax.tasks.restoration import Restoration


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


def test_one_set_is_named_without_a_comma():
  config = recipe.load("configs/restoration/imported.py", {"tests": "Set12"})
  assert config.config.tests == ("Set12",)
  with pytest.raises(UserError, match="differ from each other"):
    recipe.load("configs/restoration/imported.py", {"tests": "a/x,b/X"}).build()
