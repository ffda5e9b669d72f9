"""Diffusion as array functions: schedules, paths, predictions, samplers.

A noisy image at time t is x_t = alpha_t x0 + sigma_t eps. A `Schedule` holds
the levels of t in 0 ... T - 1, with alpha² + sigma² = 1 (variance preserving);
a `Path` those of continuous time, t in [0, 1], of flow matching and EDM too.
"""

from vision_jax.ops.diffusion.densities import DENSITIES, UNIFORM, Density
from vision_jax.ops.diffusion.likelihood import bits_per_dim
from vision_jax.ops.diffusion.paths import PATHS, Path, path
from vision_jax.ops.diffusion.predictions import (
  Denoised,
  guided,
  to_prediction,
  to_x0,
)
from vision_jax.ops.diffusion.samplers import (
  MEAN_FLOW,
  SAMPLERS,
  SOLVERS,
  sample,
  solve,
)
from vision_jax.ops.diffusion.schedules import (
  SCHEDULES,
  Schedule,
  cosine,
  linear,
  schedule,
  sigmoid,
)
from vision_jax.ops.diffusion.weighting import WEIGHTINGS, loss_weight

__all__ = [
  "DENSITIES",
  "MEAN_FLOW",
  "PATHS",
  "SAMPLERS",
  "SCHEDULES",
  "SOLVERS",
  "UNIFORM",
  "WEIGHTINGS",
  "Denoised",
  "Density",
  "Path",
  "Schedule",
  "bits_per_dim",
  "cosine",
  "guided",
  "linear",
  "loss_weight",
  "path",
  "sample",
  "schedule",
  "sigmoid",
  "solve",
  "to_prediction",
  "to_x0",
]
