"""Whether what was written gives the outputs of the net it was written of."""

from collections.abc import Iterator

import numpy as np

from vision_jax.errors import RunFailure
from vision_jax.export.net import Outputs

# Of an output's largest value: what may differ by the order of additions, and
# by rounding where a net computes in 16 bits.
LIMIT, LIMIT_16 = 1e-4, 0.05
_CHOSEN_BY = ("logits", "probs")  # of which a label is the largest


def check_same(live: Outputs, got: Outputs, limit: float = LIMIT) -> str:
  """Returns how far outputs are from the live net's, in words.

  Args:
    live: name -> (b, ...), of the net.
    got: the same of what was written.
    limit: most that may differ, as a part of an output's largest value.

  Raises:
    RunFailure: naming the first output that is another.
  """
  _check_shapes(live, got)
  if "boxes" in live:
    got = _paired(live, got)
  lines = [*_floats(live, got, limit)]
  for name, x in live.items():
    if not np.issubdtype(x.dtype, np.floating):
      _check_classes(name, live, got, limit)
  return "Largest difference from the live net: " + ", ".join(lines)


def _check_shapes(live: Outputs, got: Outputs) -> None:
  shapes = [{name: x.shape for name, x in out.items()} for out in (live, got)]
  if shapes[0] != shapes[1]:
    raise RunFailure(
      f"read back: what was written gives {shapes[1]}, the net {shapes[0]}. "
      "Nothing was kept."
    )


def _floats(live: Outputs, got: Outputs, limit: float) -> Iterator[str]:
  for name, x in live.items():
    if not np.issubdtype(x.dtype, np.floating):
      continue
    apart = np.abs(x.astype(np.float64) - got[name]).max(initial=0)
    largest = np.abs(x.astype(np.float64)).max(initial=0)
    if not apart <= limit * largest:  # NaN is not
      raise RunFailure(
        f"read back: {name} differs by {apart:.3g} from the live net's, whose "
        f"largest is {largest:.3g}; expected {limit:g} of that at most. "
        "Nothing was kept."
      )
    yield f"{name} {apart:.3g} of {largest:.3g}"


def _check_classes(
  name: str, live: Outputs, got: Outputs, limit: float
) -> None:
  """Lets a class be another only where two have as good as one score."""
  theirs, differs = np.asarray(got[name]), live[name] != got[name]
  values = next((live[k] for k in _CHOSEN_BY if k in live), None)
  if differs.any() and values is not None:
    room = 2 * limit * np.abs(values).max()
    if values.ndim == theirs.ndim:  # of each class whether it is there
      differs &= np.abs(live.get("logits", values)) > room
    else:
      index = theirs[..., None].astype(np.int64)
      own = np.take_along_axis(values, index, -1)[..., 0]
      differs &= own < values.max(-1) - room
  if differs.any():
    raise RunFailure(
      f"read back: {differs.sum()} of {differs.size} values of {name} are not "
      "those of the live net. Nothing was kept."
    )


def _paired(live: Outputs, got: Outputs) -> dict[str, np.ndarray]:
  """Returns detections in the order of the live net's, nearest to nearest.

  Those of almost one score may come in another order.
  """
  from scipy.optimize import linear_sum_assignment

  stacked = [
    np.concatenate(
      [
        x["boxes"] / max(np.abs(live["boxes"]).max(), 1e-9),
        x["score"][..., None],
        x["label"][..., None].astype(np.float64),
      ],
      -1,
    )
    for x in (live, got)
  ]
  cost = np.abs(stacked[0][:, :, None] - stacked[1][:, None]).sum(-1)
  order = np.stack([linear_sum_assignment(rows)[1] for rows in cost])
  pick = lambda x: np.stack([rows[i] for rows, i in zip(x, order, strict=True)])
  return {name: pick(np.asarray(x)) for name, x in got.items()}
