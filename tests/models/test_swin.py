"""Swin's windows, against what each pixel may see."""

import jax.numpy as jnp
import numpy as np

from vision_jax.models.backbones import swin_windows as windows


def test_windows_are_put_together_again():
  x = np.arange(2 * 6 * 9 * 2).reshape(2, 6, 9, 2)
  parts = windows.cut(x, 3)
  assert parts.shape == (2, 6, 9, 2)
  np.testing.assert_array_equal(parts[0, 1], x[0, :3, 3:6].reshape(9, 2))
  np.testing.assert_array_equal(windows.join(parts, (6, 9), 3), x)


def test_places_are_distances():
  """Two pairs of pixels have the same row where they are as far apart."""
  table = windows.relative_places(3)
  at = [(i, j) for i in range(3) for j in range(3)]
  rows = {}
  for a, (i, j) in enumerate(at):
    for b, (k, m) in enumerate(at):
      rows.setdefault((i - k, j - m), set()).add(int(table[a, b]))
  assert all(len(row) == 1 for row in rows.values())
  assert sorted(row.pop() for row in rows.values()) == list(range(25))


def test_a_shifted_window_does_not_join_opposite_sides():
  size, window, shifts = (8, 4), 4, (2, 0)
  mask = windows.same_region(size, window, shifts)
  at = np.stack(np.indices(size), -1)  # where each pixel is
  moved = np.roll(at, [-s for s in shifts], (0, 1))[None]
  parts = windows.cut(moved, window)[0]
  near = np.abs(parts[:, :, None] - parts[:, None]).max(-1) < window
  np.testing.assert_array_equal(mask, near)
  assert windows.same_region(size, window, (0, 0)) is None


def test_attention_is_a_softmax_of_scores_and_bias():
  rng = np.random.default_rng(0)
  draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
  query, key, value = (draw(2, 3, 4, 2, 5) for _ in range(3))
  bias, mask = draw(2, 4, 4), rng.random((3, 4, 4)) < 0.7
  mask |= np.eye(4, dtype=bool)
  got = windows.attend_windows(query, key, value, bias, mask)
  for w in range(3):
    scores = query[1, w, :, 1] @ key[1, w, :, 1].T / np.sqrt(5) + bias[1]
    weights = np.where(mask[w], np.exp(scores), 0)
    weights /= weights.sum(-1, keepdims=True)
    want = weights @ value[1, w, :, 1]
    np.testing.assert_allclose(got[1, w, :, 1], want, rtol=1e-4, atol=1e-5)
