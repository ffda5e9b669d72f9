"""Sampling: from noise to images, in one compiled scan."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.diffusion import tables
from vision_jax.ops.diffusion.noise import normals
from vision_jax.ops.diffusion.predictions import Denoised
from vision_jax.ops.diffusion.schedules import Schedule

Denoiser = Callable[[Array, Array], Denoised]  # (x (b, ...), t (b,))

SAMPLERS = ("ddpm", "ddim", "dpmpp", "heun")


def sample(
  denoise: Denoiser,
  schedule: Schedule,
  keys: Array,
  shape: tuple[int, ...],
  *,
  sampler: str = "ddim",
  steps: int = 50,
  eta: float = 0.0,
  variance: str = "large",
  spacing: str = "even",
  start: Array | None = None,
) -> Array:
  """Draws one image for each key; pure, to be compiled by the caller.

  Args:
    denoise: (x (b, *shape), t (b,) int32) -> Denoised.
    schedule: the levels that `denoise` knows.
    keys: (b,) one key for each image, which alone decides it.
    shape: shape of an image, (h, w, c).
    sampler: "ddpm", "ddim", "dpmpp" (DPM-Solver++ 2M) or "heun".
    steps: number of steps, at most T; heun evaluates twice a step.
    eta: ddim's share of noise; of no other sampler.
    variance: ddpm's variance: "small", "large" or "learned".
    spacing: how ddim's times are spaced: "even" or "quadratic".
    start: (b, *shape) the first noise, in place of one drawn from `keys`.

  Returns:
    Images (b, *shape) float32, in the range of the denoised ones.

  Raises:
    UserError: for an unknown sampler (with the nearest), too many steps, or
      an eta or spacing of another sampler than ddim.
  """
  table = sampler_table(
    schedule, sampler, steps, eta=eta, variance=variance, spacing=spacing
  )
  random = bool(table.noise.any())
  x = normals(keys, 0, shape) if start is None else start
  numbers = jnp.arange(1, len(table.t) + 1, dtype=jnp.int32)

  def step(carry, row):
    x, x_before, clean_before = carry
    row, number = row
    clean, between = denoise(x, jnp.full(x.shape[:1], row.t))
    new = row.keep * x + row.back * x_before
    new += row.now * clean + row.before * clean_before
    if random:
      scale = row.noise
      if between is not None:
        scale *= jnp.exp(0.5 * between * row.log_ratio)
      new += scale * normals(keys, number, shape)
    return (new, x, clean), None

  rows = (jax.tree.map(jnp.asarray, table), numbers)
  zeros = jnp.zeros_like(x)
  (x, _, _), _ = jax.lax.scan(step, (x, zeros, zeros), rows)
  return x


def sampler_table(
  schedule: Schedule,
  sampler: str,
  steps: int,
  *,
  eta: float = 0.0,
  variance: str = "large",
  spacing: str = "even",
) -> tables.Table:
  """Returns the table of a sampler by name; see `sample`."""
  check_name("sampler", sampler, SAMPLERS)
  if sampler == "ddim":
    return tables.ddim(schedule, steps, eta, spacing)
  for name, value, none in (("eta", eta, 0), ("spacing", spacing, "even")):
    if value != none:
      raise UserError(
        f"{name}: got {value!r} with {sampler!r}, which has none; expected "
        f"{none!r}, or the sampler 'ddim'."
      )
  if sampler == "ddpm":
    return tables.ddpm(schedule, steps, variance)
  return {"dpmpp": tables.dpmpp, "heun": tables.heun}[sampler](schedule, steps)
