"""Diffusion as array functions: schedules, predictions, likelihood, samplers.

A noisy image at time t is x_t = alpha_t x0 + sigma_t eps with alpha² + sigma²
= 1 (variance preserving) and t in 0 ... T - 1; `Schedule` holds the levels.
"""

from vision_jax.ops.diffusion.likelihood import bits_per_dim
from vision_jax.ops.diffusion.predictions import (
  Denoised,
  guided,
  to_prediction,
  to_x0,
)
from vision_jax.ops.diffusion.samplers import SAMPLERS, sample
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
  "SAMPLERS",
  "SCHEDULES",
  "WEIGHTINGS",
  "Denoised",
  "Schedule",
  "bits_per_dim",
  "cosine",
  "guided",
  "linear",
  "loss_weight",
  "sample",
  "schedule",
  "sigmoid",
  "to_prediction",
  "to_x0",
]
