"""Images of any number of bands and any range, as they are shown."""

import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.pipelines.data import Loading
from vision_jax.viz.bands import show_bands


def test_bytes_are_shown_as_they_are():
  x = np.random.default_rng(0).integers(0, 256, (5, 6, 7), np.uint8)
  np.testing.assert_array_equal(show_bands(x), x[..., :3])
  np.testing.assert_array_equal(show_bands(x, (6, 2, 0)), x[..., [6, 2, 0]])
  np.testing.assert_array_equal(show_bands(x, (4,)), x[..., 4:5])
  np.testing.assert_array_equal(show_bands(x[..., :2]), x[..., :1])
  np.testing.assert_array_equal(show_bands(x[..., 0], (6, 2, 0)), x[..., :1])


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.int16])
def test_other_types_are_stretched_by_percentiles(kind):
  """Each band by its own, whatever its range; a constant one is black."""
  ramp = np.arange(101).repeat(4).reshape(4, 101, order="F")
  x = np.stack([ramp * 20 + 1000, ramp * 3, ramp * 0 + 7], -1).astype(kind)
  got = show_bands(x)
  assert got.dtype == np.uint8 and not got[..., 2].any()
  expected = np.round((np.arange(101) - 2).clip(0, 96) / 96 * 255)
  for i in (0, 1):
    assert np.abs(got[0, :, i] - expected).max() <= 1
  assert (got[:, :3, :2] <= 1).all() and (got[:, -3:, :2] >= 254).all()


@pytest.mark.parametrize("bands", [(0, 1), (0, 1, 7), (0, 1, 2, 3)])
def test_bands_that_cannot_be_shown_are_refused(bands):
  with pytest.raises(UserError, match=r"--config\.show_bands: got .* of 0, 1"):
    show_bands(np.zeros((4, 4, 7)), bands)


def test_shown_bands_are_numbered_as_in_the_file():
  loading = Loading(1, 1, bands=(6, 2, 0, 1), show_bands=(0, 1, 6))
  assert loading.shown == (0, 1, 6) and loading.shown_decoded == (2, 3, 0)
  assert Loading(1, 1, bands=(5, 4, 3, 2)).shown == (5, 4, 3)
  assert Loading(1, 1, bands=(5, 4)).shown == (5,)
  assert Loading(1, 1).shown == () == Loading(1, 1).shown_decoded
