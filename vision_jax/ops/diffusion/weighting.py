"""How much the squared error counts at each time.

A weighting is a function of the signal-to-noise ratio in terms of the error of
x0; divided by the ratio of the errors it is that of another prediction: the
squared error of eps is snr times that of x0, the one of v is snr + 1 times.
"""

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.ops.diffusion.predictions import KINDS
from vision_jax.ops.diffusion.schedules import Schedule

WEIGHTINGS = ("uniform", "snr", "truncated_snr", "min_snr", "p2")


def loss_weight(
  schedule: Schedule, t: Array, *, prediction: str, weighting: str, gamma=5.0
) -> Array:
  """Returns the factor (b,) of the squared error of the prediction.

  Args:
    schedule: the levels.
    t: times (b,).
    prediction: "eps", "x0" or "v".
    weighting: "uniform" is 1 whatever is predicted; in terms of x0 "snr" is
      snr, "truncated_snr" max(snr, 1) (arxiv.org/abs/2202.00512), "min_snr"
      min(snr, gamma) (arxiv.org/abs/2303.09556), "p2" snr / (1 + snr)
      (arxiv.org/abs/2204.00227 with k = gamma = 1).
    gamma: min_snr's bound.
  """
  check_name("prediction", prediction, KINDS)
  check_name("weighting", weighting, WEIGHTINGS)
  snr = schedule.snr
  if weighting == "uniform":
    table = np.ones_like(snr)
  else:
    in_x0 = {
      "snr": snr,
      "truncated_snr": np.maximum(snr, 1),
      "min_snr": np.minimum(snr, gamma),
      "p2": snr / (1 + snr),
    }[weighting]
    table = in_x0 / {"eps": snr, "x0": 1.0, "v": snr + 1}[prediction]
  return jnp.asarray(table, jnp.float32)[t]
