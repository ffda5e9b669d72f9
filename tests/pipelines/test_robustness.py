"""The evaluation over corrupted test sets, and the config that has it."""

import jax
import numpy as np
import pytest

from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.transforms.image import resize
from vision_jax.errors import UserError
from vision_jax.metrics.classification import Accuracy
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.robustness import robustness, ways
from vision_jax.recipe import recipe

CONFIG = "configs/classification/mnist_robustness.py"


def test_every_kind_and_strength_is_measured_at_the_end():
  with recipe.load(f"{CONFIG}:tiny", {"strengths": "2"}).build() as built:
    data = built.evals["robustness"]
    assert data.costly and not data.losses
    assert len(data.data.source) == 6 * 2 * len(built.evals["test"].data.source)
    (metric,) = data.metrics.values()
    assert {"accuracy", "shift1/accuracy", "noise2/accuracy"} <= {*metric.names}
    assert len(metric.names) == 1 + 6 * 2
    first = next(data.data.epoch())
    assert first["image"].shape[1:] == (28, 28, 1) and not first["group"].any()
  assert ways()["rotation3"] == ("rotation", 30) and len(ways()) == 30


def test_images_that_are_read_are_decoded_first():
  """Of a source that is not in memory, of another size than the net's."""

  class Read:
    num_classes, class_names = 2, ()
    fingerprint = staticmethod(lambda: "read")
    __len__ = lambda self: 3

    def read(self, indices):
      image = np.full((9, 9, 1), 200, np.uint8)
      return [{"image": image, "label": np.int32(i % 2)} for i in indices]

  options = {"crop": resize((6, 6)), "num_classes": 2, "strengths": 1}
  loading = Loading(4, 4, channels=1, threads=1)
  found = robustness(Read(), Accuracy(), loading=loading, **options)
  batch = next(found["robustness"].data.epoch())
  assert batch["image"].shape == (4, 6, 6, 1)


def test_without_strengths_nothing_is_measured():
  with recipe.load(f"{CONFIG}:tiny", {"strengths": "0"}).build() as built:
    assert {*built.evals} == {"val", "test"}


def test_augmentation_is_a_choice_and_brings_in_black():
  plain = recipe.load(f"{CONFIG}:tiny", {"augment": "False"}).build()
  assert plain.augment is None
  built = recipe.load(f"{CONFIG}:tiny").build()
  batch = {"image": np.zeros((2, 28, 28, 1), np.uint8), "index": np.arange(2)}
  moved = jax.jit(lambda x, key: built.augment(built.inputs(x), key))
  image = moved(batch, jax.random.key(0))["image"]
  np.testing.assert_allclose(image, -0.1307 / 0.3081, atol=1e-6)


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"net": "rnn"}, "--config.net: got 'rnn'; expected mlp, cnn or vit"),
    ({"strengths": "6"}, "--config.strengths: got 6; expected 0 to 5"),
    ({"strengths": "-1"}, "--config.strengths: got -1; expected 0 or more"),
  ],
)
def test_bad_values(values, message):
  with pytest.raises(UserError, match=message):
    recipe.load(f"{CONFIG}:tiny", values).build()


def test_a_test_set_of_floats_is_refused():
  image = np.zeros((2, 6, 6, 1), np.float32)
  source = ArraySource({"image": image, "label": np.zeros(2, int)}, 2)
  options = {"crop": resize((6, 6)), "num_classes": 2}
  loading = Loading(2, 2, channels=1)
  found = robustness(source, Accuracy(), loading=loading, **options)
  with pytest.raises(UserError, match=r"expected .* of uint8"):
    next(found["robustness"].data.epoch())
