"""What detectors are made of beside torch's, in turns, on this machine's CPU.

`python -m benchmarks.speed.detector_parts [--turns=N] [PART ...]` prints one
JSON object for each of `PARTS`: milliseconds of our form and of others.
`vectorised` is a statement of the same in torch without loops over boxes' pairs
or cells, `torchvision` what that library does in Python; ours is compiled for
static shapes. The whole step is FCOS with a ResNet-50 on two images of 320
pixels, forward, backward and SGD with momentum, eager there. In float32.
"""

import argparse
import functools
import json
import statistics
from collections.abc import Callable
from typing import Any

from vision_jax import tuning

if __name__ == "__main__":  # before jax is imported
  tuning.tune_allocator()
  tuning.tune_convolutions()

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.states import NotHere
from benchmarks.accelerator.torch_steps import library
from benchmarks.speed.timing import in_turns
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.core.types import NO_NETS
from vision_jax.data.masks_in_boxes import paste
from vision_jax.interop import published
from vision_jax.losses.dense import PointCriterion
from vision_jax.ops.roi_align import roi_align
from vision_jax.ops.suppression import hard, suppress
from vision_jax.optim.optimizers import sgd
from vision_jax.tasks.dense_detection import DenseDetection

Forms = dict[str, Callable[[], Any]]
OVERLAP, RATE = 0.5, 1e-3


def boxes_of(rng: np.random.Generator, count: int, side: float) -> np.ndarray:
  """Draws boxes (count, 4) xyxy inside a square, a tenth to a half as wide."""
  size = rng.uniform(0.1, 0.5, (count, 2)) * side
  low = rng.uniform(0, 1, (count, 2)) * (side - size)
  return np.concatenate([low, low + size], -1).astype(np.float32)


def suppression(proposals: int = 1000, kept: int = 100) -> Forms:
  """Non-maximum suppression of one image's boxes, of one class."""
  torch, ops = library("torch"), library("torchvision").ops
  rng = np.random.default_rng(0)
  boxes = boxes_of(rng, proposals, 320)
  score = rng.permutation(proposals).astype(np.float32) / proposals + 1e-3
  ours = jax.jit(functools.partial(suppress, count=kept, decay=hard(OVERLAP)))
  mine = (jnp.asarray(boxes)[None], jnp.asarray(score)[None])
  theirs = torch.from_numpy(boxes), torch.from_numpy(score)

  def vectorised():
    """Takes the best and drops what overlaps it, until enough are taken."""
    left, taken = theirs[1].clone(), []
    for _ in range(kept):
      best = left.argmax()
      taken.append(best)
      over = ops.box_iou(theirs[0][best][None], theirs[0])[0] > OVERLAP
      left[over] = 0
    return torch.stack(taken)

  return {"ours": lambda: ours(*mine), "vectorised": vectorised}


def aligned(boxes: int = 512, side: int = 80, features: int = 256) -> Forms:
  """RoIAlign of a map's boxes, 7 by 7 cells of 2 by 2 samples."""
  torch = library("torch")
  rng = np.random.default_rng(0)
  corners = boxes_of(rng, boxes, side)
  x = rng.normal(size=(1, side, side, features)).astype(np.float32)
  ours, mine = jax.jit(roi_align), (jnp.asarray(x), jnp.asarray(corners)[None])
  image = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
  rois = torch.from_numpy(corners)
  sample = library("torch.nn.functional").grid_sample
  cells = (torch.arange(14) + 0.5) / 14

  def vectorised():
    """One `grid_sample` of all boxes' samples, then means of four."""
    low, size = rois[:, :2], rois[:, 2:] - rois[:, :2]
    at = low[:, None] + cells[None, :, None] * size.clamp(min=1)[:, None]
    at = at.clamp(0, side - 1)  # as ours has it, but far outside
    at = (at + 0.5) / side * 2 - 1
    grid = torch.stack(
      [
        at[:, None, :, 0].expand(-1, 14, -1),
        at[:, :, None, 1].expand(-1, -1, 14),
      ],
      -1,
    )
    found = sample(
      image, grid.reshape(1, boxes * 14, 14, 2), align_corners=False
    )
    found = found.reshape(features, boxes, 7, 2, 7, 2)
    return found.mean((3, 5)).transpose(0, 1)

  return {"ours": lambda: ours(*mine), "vectorised": vectorised}


def pasted(masks: int = 100, size: tuple[int, int] = (480, 640)) -> Forms:
  """Masks of 28 by 28 put into their boxes of an image."""
  torch, tv = library("torch"), library("torchvision")
  rng = np.random.default_rng(0)
  boxes = boxes_of(rng, masks, min(size))
  probs = rng.uniform(size=(masks, 28, 28)).astype(np.float32)
  theirs = torch.from_numpy(probs)[:, None], torch.from_numpy(boxes)
  whole = tv.models.detection.roi_heads.paste_masks_in_image
  return {
    "ours": lambda: paste(probs, boxes, size),
    "torchvision": lambda: whole(*theirs, size) > 0.5,
  }


def fcos(side: int = 320, images: int = 2) -> Forms:
  """A training step of torchvision's FCOS with a ResNet-50."""
  torch, tv = library("torch"), library("torchvision")
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 256, (images, side, side, 3), np.uint8)
  corners = np.stack([boxes_of(rng, 8, side) for _ in range(images)])
  low, high = corners[..., :2], corners[..., 2:]
  label = rng.integers(0, 90, (images, 8))
  batch = {
    "image": pixels,
    "boxes": np.concatenate([(low + high) / 2, high - low], -1) / side,
    "label": label.astype(np.int32),
    "box_mask": np.ones(label.shape, np.float32),
    "mask": np.ones(images, np.float32),
  }
  ours = _ours(jax.tree.map(jnp.asarray, batch))
  net = tv.models.detection.fcos_resnet50_fpn(
    weights=None, weights_backbone=None, min_size=side, max_size=side
  )
  optimizer = torch.optim.SGD(net.parameters(), RATE, 0.9)
  seen = list(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)
  truth = [
    {"boxes": torch.from_numpy(x), "labels": torch.from_numpy(k) + 1}
    for x, k in zip(corners, label, strict=True)
  ]

  def step():
    optimizer.zero_grad()
    sum(net(seen, truth).values()).backward()
    optimizer.step()
    return ()

  return {"ours": ours, "torchvision": step}


def _ours(batch: dict[str, jax.Array]) -> Callable[[], Any]:
  """Returns a call of our step, which goes on from its last state."""
  _, net = published.find("torchvision:fcos_resnet50_fpn")
  task = DenseDetection(net.model(), PointCriterion())
  optimizers = {"model": sgd(lambda step: RATE, 0.9)}
  init = lambda: create_state(task, optimizers, jax.random.key(0), batch)
  state = jax.jit(init)()
  step = jax.jit(make_train_step(task, optimizers), donate_argnums=0)

  def call():
    nonlocal state
    state, logs = step(state, batch, NO_NETS)
    return logs

  return call


PARTS = {"nms": suppression, "roi_align": aligned, "paste": pasted}
PARTS |= {"fcos_r50_step": fcos}


def row(part: str, forms: Forms, *, turns: int, calls: int) -> dict[str, Any]:
  """Returns the times of a part's forms, and how ours compares."""
  times = in_turns(forms, (), turns=turns, calls=calls)
  found = {name: statistics.median(ms) for name, ms in times.items()}
  ratios = {
    name: statistics.median(
      a / b for a, b in zip(times["ours"], times[name], strict=True)
    )
    for name in found
    if name != "ours"
  }
  return {
    "row": f"detector/{part}",
    "turn_ms": times,
    "form_ms": found,
    "times_as_long_as": ratios,
    "turns": turns,
  }


def main() -> None:
  """Prints the rows as JSON lines."""
  parser = argparse.ArgumentParser(prog="benchmarks.speed.detector_parts")
  parser.add_argument("--turns", type=int, default=9)
  parser.add_argument("parts", nargs="*", metavar="PART", default=[*PARTS])
  given = parser.parse_args()
  for part in given.parts:
    print(json.dumps(measured(part, given.turns)), flush=True)


def measured(part: str, turns: int) -> dict[str, Any]:
  """Returns a part's row; a note in it says what is not here."""
  calls = 2 if part == "fcos_r50_step" else 5
  try:
    return row(part, PARTS[part](), turns=turns, calls=calls)
  except NotHere as error:
    name = f"detector/{part}"
    return {"row": name, "examples_per_s": None, "note": str(error)}


if __name__ == "__main__":
  main()
