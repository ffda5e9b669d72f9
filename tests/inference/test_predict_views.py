"""Views of images at test time, asked for where a trained net predicts."""

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from tests.export.trained import workdir
from tests.programs.command import call


@pytest.mark.slow  # it trains a net, if no other test has
@pytest.mark.parametrize("tiles", [(), ("--tile=24", "--overlap=16")])
def test_a_mirrored_view_is_averaged_with_the_image(tmp_path, tiles):
  """By hand: of an image and its mirror image, each predicted once."""
  image = random_image(32, 32, seed=3)  # the net's size: nothing is resized
  (tmp_path / "in").mkdir()
  for name, pixels in (("a", image), ("b", image[:, ::-1])):
    (tmp_path / "in" / f"{name}.png").write_bytes(encode(pixels, "PNG"))

  def probs(output, *flags):
    result = call(
      *("--mode=predict", f"--workdir={workdir('segmenter')}"),
      *(f"--images={tmp_path / 'in'}", f"--output={tmp_path / output}"),
      *("--format=probs", *tiles, *flags),
    )
    assert result.code == 0, result.err
    folder = tmp_path / output / "probs"
    return [np.load(folder / f"{name}.npy") for name in "ab"]

  once, mirrored = probs("once")
  twice, _ = probs("twice", "--config.tta_flip=true")
  np.testing.assert_allclose(twice, (once + mirrored[:, ::-1]) / 2, atol=1e-5)
  assert np.abs(twice - once).max() > 1e-3
