"""Objects as maps, masks and boxes; what is drawn of anchors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.ops.object_masks import boxes_of, numbered, pasted
from vision_jax.ops.sampling import balanced


def test_numbers_with_gaps_become_objects_with_boxes():
  x = np.zeros((2, 8, 9), np.int32)
  x[0, 1:3, 2:6], x[0, 4:8, 0:1], x[0, 0, 8] = 700, 3, 65535
  run = jax.jit(lambda x: (numbered(x, 2), boxes_of(numbered(x, 2)[0], 2)))
  (found, count), (boxes, there) = run(x)
  assert count.tolist() == [3, 0]
  assert np.unique(found[0]).tolist() == [0, 1, 2]  # the third is dropped
  assert (found[0] == 1).sum() == 4 and (found[0] == 2).sum() == 8
  assert boxes[0].tolist() == [[0, 4, 1, 8], [2, 1, 6, 3]]
  assert there.tolist() == [[True, True], [False, False]]
  assert not boxes[1].any() and not found[1].any()


@pytest.mark.slow
def test_a_mask_is_put_where_its_box_is_and_the_best_is_in_front():
  probs = np.zeros((1, 3, 4, 4), np.float32)
  probs[0, 0, :, :2], probs[0, 1], probs[0, 2] = 1, 1, 1
  boxes = np.float32([[[2, 2, 10, 6], [4, 2, 8, 6], [0, 0, 0, 0]]])
  found = jax.jit(lambda *x: pasted(*x, (8, 12)))(probs, boxes)[0]
  assert (found[2:6, 2:6] == 1).all() and (found[2:6, 6:8] == 2).all()
  assert (found > 0).sum() == 4 * 6


@pytest.mark.slow
def test_so_many_are_drawn_and_what_has_found_something_comes_first():
  rng = np.random.default_rng(0)
  found = np.zeros((3, 50), bool)
  found[0, 5:40], found[1, 7] = True, True
  counts = rng.random((3, 50)) < 0.8
  counts[1, 7], counts[2, 10:] = True, False
  draws = rng.random((3, 50)).astype(np.float32)
  run = jax.jit(lambda *x: balanced(*x, number=16, positive=0.25))
  place, real = (np.asarray(x) for x in run(found, counts, draws))
  for i in range(3):
    chosen = place[i][real[i]]
    assert len(set(chosen)) == len(chosen) and counts[i][chosen].all()
    right = found[i][chosen]
    wanted = min(4, int((found[i] & counts[i]).sum()))
    assert right[:wanted].all() and not right[wanted:].any()
    left = int((~found[i] & counts[i]).sum())
    assert len(chosen) == wanted + min(16 - wanted, left)
  few = balanced(
    jnp.ones((1, 3), bool),
    jnp.ones((1, 3), bool),
    draws[:1, :3],
    number=8,
    positive=0.5,
  )
  assert few[0].shape == (1, 3)
