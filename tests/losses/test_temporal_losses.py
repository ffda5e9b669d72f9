"""Losses of sequences: torch's numbers, and what they leave alone."""

import jax
import numpy as np

from tests.oracles import library
from vision_jax.losses.temporal import frame_cross_entropy, truncated_mse
from vision_jax.models.temporal.mstcn import MSTCN
from vision_jax.tasks.temporal import TemporalSegmentation

RNG = np.random.default_rng(0)


def test_both_equal_torchs_with_their_gradients():
  """As in MS-TCN's own code, of one stage without padding."""
  torch = library("torch")
  f = torch.nn.functional
  logits = 3 * RNG.normal(size=(2, 6, 4)).astype(np.float32)
  target = RNG.integers(0, 4, (2, 6))

  def ours(logits):
    right = frame_cross_entropy(logits, target).mean()
    return right + 0.15 * truncated_mse(logits).mean()

  x = torch.tensor(logits.transpose(0, 2, 1).copy(), requires_grad=True)
  loss = f.cross_entropy(x, torch.tensor(target))
  before = f.log_softmax(x.detach()[:, :, :-1], 1)
  change = f.mse_loss(f.log_softmax(x[:, :, 1:], 1), before, reduction="none")
  assert (change > 16).any() and (change < 16).any()
  loss = loss + 0.15 * torch.clamp(change, 0, 16).mean()
  loss.backward()
  value, gradient = jax.jit(jax.value_and_grad(ours))(logits)
  np.testing.assert_allclose(value, loss.item(), rtol=1e-5)
  expected = x.grad.numpy().transpose(0, 2, 1)
  np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_padding_and_frames_without_a_class_do_not_count():
  task = TemporalSegmentation(MSTCN(3, stages=2, layers=1, features=4))
  frames = np.float32([[1, 1, 1, 1, 0, 0], [1] * 6])
  target = np.array([[0, 0, 255, 1, 255, 255], [2] * 6], np.uint8)
  batch = {
    "joints": RNG.normal(size=(2, 6, 2, 3)).astype(np.float32),
    "target": target,
    "frame_mask": frames,
    "mask": np.float32([1, 0]),
  }
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  (objective,) = task.objectives
  assert objective.weights == {"cross_entropy": 1.0, "smoothing": 0.15}

  @jax.jit
  def loss(batch):
    key = jax.random.key(1)
    found = objective.loss(params, stats, batch, key, step=0, train=False)
    return found[0]

  terms = loss(batch)
  assert terms["cross_entropy"].count == 3 and terms["smoothing"].count == 3
  other = batch["joints"].copy()
  other[0, 4:], other[1] = 9, -9
  same = loss(batch | {"joints": other})
  for name, term in terms.items():
    np.testing.assert_allclose(same[name].total, term.total, rtol=1e-6)
  # Without a mask all frames count.
  del batch["frame_mask"]
  assert loss(batch)["smoothing"].count == 5
  assert stats["model"] == {}
