"""The sampling mode, on a generator cheap enough to run on any device."""

import types

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.programs.files import content
from tests.tables import small_diffusion
from vision_jax.core.execution import Jit, Pmap
from vision_jax.errors import RunFailure, UserError
from vision_jax.inference.sample import read_options, sample_folder
from vision_jax.ops.augment.keys import example_keys
from vision_jax.tasks.condition_tokens import TokenCondition, Words
from vision_jax.tasks.conditions import ClassCondition, Unconditional
from vision_jax.writers import images
from vision_jax.writers.images import to_bytes

SHAPE = (16, 4, 6, 3)
CLASSES = ClassCondition(4)


class Painter:
  """Noise around the label's grey."""

  value_range = (-1.0, 1.0)

  def __init__(self, condition=CLASSES):
    self.condition = condition

  def sample(self, params, stats, batch, key, *, contrast=1.0):
    del stats
    keys, shape = example_keys(batch, key), batch["image"].shape[1:]
    noise = jax.vmap(lambda k: jax.random.normal(k, shape))(keys)
    grey = (batch.get("label", 0 * batch["index"]) / 2 - 1)[:, None, None, None]
    return {"image": grey + params * contrast * noise}


def draw(folder, execution=None, task=None, scale=0.1, **options):
  execution = execution or Jit(devices=jax.devices()[:1])
  weights = execution.place((jnp.float32(scale), ()))
  experiment = types.SimpleNamespace(task=task or Painter())
  logged = []
  count = sample_folder(
    experiment, weights, execution, SHAPE, folder, log=logged.append, **options
  )
  with np.load(folder / "samples.npz") as file:
    return count, dict(file), logged


def test_it_writes_files_a_grid_and_an_npz(tmp_path, capsys):
  count, arrays, logged = draw(tmp_path / "out", num_samples=21, batch_size=8)
  assert count == 21 and arrays["image"].shape == (21, 4, 6, 3)
  assert arrays["image"].dtype == np.uint8
  np.testing.assert_array_equal(arrays["label"], np.arange(21) % 4)
  files = sorted(p.name for p in (tmp_path / "out").glob("*"))
  assert files == [
    *(f"{i:05d}.png" for i in range(21)), "grid.png", "samples.npz",
  ]  # fmt: skip
  read = cv2.imread(str(tmp_path / "out" / "00020.png"))[..., ::-1]
  np.testing.assert_array_equal(read, arrays["image"][20])
  grid = cv2.imread(str(tmp_path / "out" / "grid.png"))
  assert grid.shape == (3 * 38 - 2, 10 * 56 - 2, 3)  # nine times as large
  assert "21 images" in logged[0]
  assert "step 3/3" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["jit8", "pmap8", "batches"])
def test_an_image_depends_on_seed_and_number_alone(tmp_path, name):
  _, expected, _ = draw(tmp_path / "a", num_samples=20, seed=3)
  execution = {"jit8": Jit, "pmap8": Pmap}.get(name, lambda: None)()
  size = 5 if name == "batches" else 16
  _, got, _ = draw(
    tmp_path / "b", execution, num_samples=20, seed=3, batch_size=size
  )
  np.testing.assert_array_equal(got["image"], expected["image"])
  _, other, _ = draw(tmp_path / "c", num_samples=20, seed=4)
  assert (other["image"] != expected["image"]).any()


def test_a_grid_of_many_samples_has_the_first(tmp_path, monkeypatch):
  monkeypatch.setattr(images, "SHOWN", 20)
  _, arrays, _ = draw(tmp_path, num_samples=21)
  assert len(arrays["image"]) == 21 and (tmp_path / "00020.png").exists()
  grid = cv2.imread(str(tmp_path / "grid.png"))
  assert grid.shape == (2 * 38 - 2, 10 * 56 - 2, 3)  # two rows of three


def test_one_label_for_all(tmp_path):
  _, arrays, _ = draw(tmp_path, num_samples=5, label=3, contrast=0.0)
  np.testing.assert_array_equal(arrays["label"], 3)
  np.testing.assert_array_equal(arrays["image"], round(0.75 * 255))


def test_rows_of_an_interpolation_share_a_label_and_a_line(tmp_path):
  class Walker(Painter):
    def sample(self, params, stats, batch, key, *, interpolate=0):
      place = batch["index"] % interpolate / interpolate
      image = jnp.zeros(batch["image"].shape) + place[:, None, None, None]
      return {"image": image}

  _, arrays, _ = draw(tmp_path, task=Walker(), num_samples=8, interpolate=4)
  np.testing.assert_array_equal(arrays["label"], [0, 0, 0, 0, 1, 1, 1, 1])
  np.testing.assert_array_equal(arrays["image"][:4], arrays["image"][4:])
  grid = cv2.imread(str(tmp_path / "grid.png"))
  assert grid.shape == (2 * (22 * 4 + 2) - 2, 4 * (22 * 6 + 2) - 2, 3)


def test_an_unconditional_generator_has_no_labels(tmp_path):
  _, arrays, _ = draw(tmp_path, task=Painter(Unconditional()), num_samples=3)
  assert set(arrays) == {"image"}


class Writer(Painter):
  """A grey by the first of two words."""

  def __init__(self):
    words = Words(("dark", "light", "very"))
    super().__init__(TokenCondition(2, words))

  def sample(self, params, stats, batch, key):
    grey = batch["tokens"][:, 0] / 4
    return {
      "image": jnp.zeros(batch["image"].shape) + grey[:, None, None, None]
    }


def test_samples_of_texts_go_in_turn(tmp_path):
  texts = "dark|light|"
  _, arrays, _ = draw(tmp_path, task=Writer(), num_samples=5, prompt=texts)
  tokens = [[1, 0], [2, 0], [0, 0], [1, 0], [2, 0]]
  np.testing.assert_array_equal(arrays["tokens"], tokens)
  grey = np.round((np.array(tokens)[:, 0] / 4 + 1) * 127.5)
  np.testing.assert_array_equal(arrays["image"][:, 0, 0, 0], grey)
  assert set(arrays) == {"image", "tokens"}


class Blind:
  """Cannot sample."""


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"label": 4}, "--label: got 4; expected 0 to 3"),
    ({"label": -1}, "--label: got -1"),
    ({"label": 0, "task": Painter(Unconditional())}, "trained without classes"),
    ({"num_samples": 0}, "expected at least 1"),
    (
      {"steps": 5},
      "--sample.steps: Painter samples without it; it takes contrast",
    ),
    ({"task": Blind()}, "--mode=sample: Blind does not generate"),
    ({"task": Writer()}, "--sample.prompt is missing"),
    ({"task": Writer(), "prompt": "drak"}, "word 'drak'.* mean 'dark'"),
    ({"task": Writer(), "prompt": "very very dark"}, "3 tokens .* most 2"),
    ({"task": Writer(), "label": 1}, "--label: got 1, .* --sample.prompt"),
    ({"task": Writer(), "text": "x"}, "--sample.text: Writer .* takes prompt"),
  ],
)
def test_bad_input_is_an_error_and_writes_nothing(tmp_path, options, message):
  with pytest.raises(ValueError, match=message):
    draw(tmp_path / "out", **options)
  assert not (tmp_path / "out").exists()


def test_samples_that_are_not_finite_are_a_failure(tmp_path):
  with pytest.raises(RunFailure, match="not finite"):
    draw(tmp_path / "out", scale=np.nan)
  assert not (tmp_path / "out").exists()


def test_a_second_call_leaves_the_first_ones_samples_alone(tmp_path):
  draw(tmp_path, num_samples=3)
  before = content(tmp_path)
  with pytest.raises(
    UserError, match=r"earlier call \(00000.png, .*, \.\.\.\)"
  ):
    draw(tmp_path, num_samples=2, seed=1)
  assert content(tmp_path) == before
  (tmp_path / "mine").mkdir()
  (tmp_path / "mine" / "photo.png").touch()  # not of a call
  draw(tmp_path / "mine", num_samples=2)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"sampler": "dimm"}, "did you mean 'ddim'"),
    ({"steps": 51}, "expected 1 to 50"),
    ({"eta": 1.5}, "eta: got 1.5; expected 0"),
    ({"sampler": "heun", "eta": 0.5}, "eta: got 0.5 with 'heun'"),
    ({"interpolate": 8}, "--sample.interpolate: Diffusion samples without it"),
    ({"label": 7}, "expected 0 to 3"),
  ],
)
def test_a_diffusion_models_bad_input(tmp_path, options, message):
  with pytest.raises(ValueError, match=message):
    task = small_diffusion()
    params = jax.eval_shape(
      lambda: task.init(
        jax.random.key(0),
        {"image": jnp.zeros((1, 4, 6, 3)), "label": jnp.zeros(1, jnp.int32)},
      )
    )
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), params)
    sample_folder(
      types.SimpleNamespace(task=task),
      zeros,
      Jit(devices=jax.devices()[:1]),
      SHAPE,
      tmp_path / "out",
      **options,
    )
  assert not (tmp_path / "out").exists()


def test_pixels_become_bytes():
  image = np.array([-1.0, 0.0, 1.0, 2.0])
  np.testing.assert_array_equal(to_bytes(image, (-1, 1)), [0, 128, 255, 255])
  np.testing.assert_array_equal(to_bytes(image, (0, 1)), [0, 0, 255, 255])


class Samples(Painter):
  """A task of which only what its sampler takes is looked at."""

  def sample(self, params, stats, batch, key, *, n=1, way="a", x=0.5, on=False):
    return batch["image"]


def test_options_are_read_as_what_the_task_takes():
  texts = {"n": "3", "way": "b", "x": "2", "on": "true"}
  options = read_options(Samples(), texts)
  assert read_options(Writer(), {"prompt": "1"}) == {"prompt": "1"}
  assert options == {"n": 3, "way": "b", "x": 2.0, "on": True}
  assert isinstance(options["x"], float)
  for texts, message in (
    ({"n": "2.5"}, r"--sample.n: got '2.5'; expected a value of type int"),
    ({"x": "nan"}, r"--sample.x: got 'nan'; expected a value of type float"),
    ({"on": "yes"}, r"--sample.on: got 'yes'; expected .* bool, like False"),
    (
      {"m": "1"},
      r"--sample.m: Samples .* it takes n, on, way",
    ),
  ):
    with pytest.raises(UserError, match=message):
      read_options(Samples(), texts)


@pytest.mark.parametrize("shape", [(), (16, 2, 4, 6, 3)])
def test_samples_have_the_size_of_images(tmp_path, shape):
  experiment = types.SimpleNamespace(task=Painter())
  with pytest.raises(UserError, match=r"expected `image` .*experiment's `in"):
    sample_folder(experiment, (), Jit(), shape, tmp_path / "out")
  assert not (tmp_path / "out").exists()
