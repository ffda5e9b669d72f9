"""Poses of a figure of sticks, by the angles of its joints."""

from collections.abc import Callable

import numpy as np

JOINTS = (
  *("pelvis", "chest", "head", "left_elbow", "left_hand", "right_elbow"),
  *("right_hand", "left_knee", "left_foot", "right_knee", "right_foot"),
)
# Of each joint but the first, from which it hangs, and how far away.
PARENTS = (0, 1, 1, 3, 1, 5, 0, 7, 0, 9)
LENGTHS = (0.5, 0.25, 0.28, 0.27, 0.28, 0.27, 0.42, 0.42, 0.42, 0.42)
EDGES = tuple((parent, i + 1) for i, parent in enumerate(PARENTS))
CENTRE = JOINTS.index("chest")

# Phases (t,) -> angles (t, 10) of the joints but the first, in their order:
# radians from straight down, for body and head from straight up.
Action = Callable[[np.ndarray], np.ndarray]


def _angles(phase: np.ndarray, *columns: np.ndarray | float) -> np.ndarray:
  full = [np.broadcast_to(x, phase.shape) for x in columns]
  return np.stack(full, -1).astype(float)


def _stand(p: np.ndarray) -> np.ndarray:
  sway = 0.04 * np.sin(p)
  return _angles(p, sway, 0, -0.15, -0.1, 0.15, 0.1, -0.1, -0.1, 0.1, 0.1)


def _walk(p: np.ndarray) -> np.ndarray:
  s, lift = 0.5 * np.sin(p), 0.5 * np.maximum(np.cos(p), 0)
  drop = 0.5 * np.maximum(-np.cos(p), 0)
  arms = (-s, 0.3 - s, s, 0.3 + s)
  return _angles(p, 0.06, 0, *arms, s, s - lift, -s, -s - drop)


def _wave(p: np.ndarray) -> np.ndarray:
  up = 2.3 + 0.1 * np.sin(p)
  arms = (-0.15, -0.1, up, 2.9 + 0.6 * np.sin(p))
  return _angles(p, 0, 0, *arms, -0.1, -0.1, 0.1, 0.1)


def _squat(p: np.ndarray) -> np.ndarray:
  d = 0.5 - 0.5 * np.cos(p)
  arms = (1.4 * d, 1.5 * d, 1.4 * d + 0.1, 1.5 * d + 0.1)
  return _angles(p, 0.3 * d, 0.1 * d, *arms, d, -0.8 * d, 1.1 * d, -0.7 * d)


def _star(p: np.ndarray) -> np.ndarray:
  """Arms and legs open and close."""
  d = 0.5 - 0.5 * np.cos(p)
  arms = (-0.2 - 2.3 * d, -0.2 - 2.5 * d, 0.2 + 2.3 * d, 0.2 + 2.5 * d)
  legs = (-0.1 - 0.45 * d, 0.1 + 0.45 * d)
  return _angles(p, 0, 0, *arms, legs[0], legs[0], legs[1], legs[1])


def _kick(p: np.ndarray) -> np.ndarray:
  s = 1.3 * np.maximum(np.sin(p), 0) ** 2
  arms = (-0.4 * s - 0.1, -0.3 * s, 0.4 * s, 0.4 * s + 0.1)
  return _angles(p, -0.15 * s, 0, *arms, -0.05, -0.05, s, 0.9 * s)


ACTIONS: dict[str, Action] = {
  "stand": _stand,
  "walk": _walk,
  "wave": _wave,
  "squat": _squat,
  "star": _star,
  "kick": _kick,
}


def joints(angles: np.ndarray) -> np.ndarray:
  """Returns where joints are, (t, 11, 2): x to the right, y up.

  Args:
    angles: (t, 10), as of `Action`.

  Returns:
    Lengths of a figure about 1.6 high, whose lowest foot is at y = 0.
  """
  found = np.zeros((len(angles), len(JOINTS), 2))
  for i, (parent, length) in enumerate(zip(PARENTS, LENGTHS, strict=True)):
    a = angles[:, i]
    up = 1 if i < 2 else -1  # body and head
    way = np.stack([np.sin(a), up * np.cos(a)], -1)
    found[:, i + 1] = found[:, parent] + length * way
  feet = [JOINTS.index("left_foot"), JOINTS.index("right_foot")]
  found[..., 1] -= found[:, feet, 1].min(1)[:, None]
  return found
