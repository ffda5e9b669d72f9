"""Skeletons as graphs: which joints belong together, around which centre."""

from collections.abc import Sequence

import numpy as np

from vision_jax.errors import UserError

Edges = Sequence[tuple[int, int]]


def distances(edges: Edges, joints: int) -> np.ndarray:
  """Returns the edges between every two joints, (v, v); inf where none lead.

  Raises:
    UserError: for an edge with a joint that there is not.
  """
  bad = [edge for edge in edges if not all(0 <= x < joints for x in edge)]
  if bad:
    raise UserError(
      f"skeleton: got the edge {tuple(bad[0])}; expected two of the joints 0 "
      f"to {joints - 1}. Correct the edges, or bring as many joints."
    )
  found = np.where(np.eye(joints, dtype=bool), 0, np.inf)
  for i, j in edges:
    found[i, j] = found[j, i] = 1
  for k in range(joints):  # Floyd and Warshall
    found = np.minimum(found, found[:, k, None] + found[None, k])
  return found


def spatial_partition(edges: Edges, joints: int, centre: int) -> np.ndarray:
  """Returns the adjacency of a skeleton in three parts, (3, v, v) float32.

  Part p, joint i, joint j: how much of joint i goes to joint j. The parts are a
  joint itself; its neighbours as far from the centre as it is, or farther,
  whose features come inwards; and those nearer to it. What comes to a joint
  sums up to 1 over the parts (Yan et al., 2018, section 3.3).

  Args:
    edges: pairs of neighbours.
    joints: how many there are, v.
    centre: the joint in the middle, such as the chest.

  Raises:
    UserError: for joints that there are not, and those that no edge joins to
      the centre.
  """
  if not 0 <= centre < joints:
    raise UserError(
      f"skeleton: got the centre {centre}; expected one of the joints 0 to "
      f"{joints - 1}."
    )
  apart = distances(edges, joints)
  if np.isinf(apart).any():
    lost = np.flatnonzero(np.isinf(apart[centre]))
    raise UserError(
      f"skeleton: no edge leads from joint {centre} to {lost.tolist()}; "
      "expected one skeleton. Add the edges between its joints."
    )
  near = apart <= 1
  weights = near / near.sum(0)
  away = apart[centre]
  nearer = away[:, None] < away[None]
  itself = np.eye(joints, dtype=bool)
  parts = [itself, ~itself & ~nearer, ~itself & nearer]
  return np.stack([weights * part for part in parts]).astype(np.float32)
