"""Sampling: from noise to images, in one compiled scan."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.diffusion import grids, tables
from vision_jax.ops.diffusion.noise import normals
from vision_jax.ops.diffusion.paths import Path
from vision_jax.ops.diffusion.predictions import Denoised
from vision_jax.ops.diffusion.schedules import Schedule

Denoiser = Callable[[Array, Array], Denoised]  # (x (b, ...), t (b,))

SAMPLERS = ("ddpm", "ddim", "dpmpp", "heun")
SOLVERS = ("euler", "heun", "dpmpp")
MEAN_FLOW = "mean_flow"  # of denoisers that are told two times


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
  start = normals(keys, 0, shape) if start is None else start
  return follow(denoise, table, keys, start)


def solve(
  denoise: Denoiser,
  path: Path,
  keys: Array,
  shape: tuple[int, ...],
  *,
  solver: str = "heun",
  steps: int = 20,
  spacing: str = "even",
) -> Array:
  """Draws one image for each key along a path, as `sample` does.

  Args:
    denoise: (x (b, *shape), t (b,) float32) -> Denoised; for "mean_flow" t is
      (b, 2), see `tables.mean_flow`.
    path: the path that `denoise` knows.
    keys: (b,) one key for each image, which alone decides it.
    shape: shape of an image, (h, w, c).
    solver: "euler", "heun", "dpmpp" (DPM-Solver++ 2M) or "mean_flow".
    steps: number of steps; heun evaluates twice in each but the last.
    spacing: of the times, as of `grids.path_grid`.

  Raises:
    UserError: for an unknown solver or spacing, or fewer steps than one.
  """
  table = solver_table(path, solver, steps, spacing)
  noisiest = path.sigma(jnp.ones((), jnp.float32))
  return follow(denoise, table, keys, noisiest * normals(keys, 0, shape))


def follow(
  denoise: Denoiser, table: tables.Table, keys: Array, start: Array
) -> Array:
  """Goes from noise `start` (b, ...) to images by a table, in one scan."""
  random = bool(table.noise.any())
  numbers = jnp.arange(1, len(table.t) + 1, dtype=jnp.int32)

  def step(carry, row):
    x, x_before, clean_before = carry
    row, number = row
    clean, between = denoise(
      x, jnp.broadcast_to(row.t, x.shape[:1] + row.t.shape)
    )
    new = row.keep * x + row.back * x_before
    new += row.now * clean + row.before * clean_before
    if random:
      scale = row.noise
      if between is not None:
        scale *= jnp.exp(0.5 * between * row.log_ratio)
      new += scale * normals(keys, number, x.shape[1:])
    return (new, x, clean), None

  rows = (jax.tree.map(jnp.asarray, table), numbers)
  zeros = jnp.zeros_like(start)
  (x, _, _), _ = jax.lax.scan(step, (start, zeros, zeros), rows)
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
  """Returns the table of a sampler by name; see `sample`.

  Times are the model's, evenly spaced, but those of "dpmpp", which are so in
  the logarithm of the signal-to-noise ratio.
  """
  check_name("sampler", sampler, SAMPLERS)
  on = lambda t: grids.scheduled(schedule, t)
  if sampler == "ddim":
    check_name("spacing", spacing, grids.SPACINGS)
    even = spacing == "even"
    times = grids.time_grid if even else grids.quadratic_grid
    return tables.ddim(on(times(schedule, steps)), eta)
  for name, value, none in (("eta", eta, 0), ("spacing", spacing, "even")):
    if value != none:
      raise UserError(
        f"{name}: got {value!r} with {sampler!r}, which has none; expected "
        f"{none!r}, or the sampler 'ddim'."
      )
  if sampler == "ddpm":
    return tables.ddpm(on(grids.time_grid(schedule, steps)), variance)
  if sampler == "dpmpp":
    return tables.dpmpp(on(grids.log_snr_grid(schedule, steps)))
  return tables.heun(on(grids.time_grid(schedule, steps, cut=True)))


def solver_table(
  path: Path, solver: str, steps: int, spacing: str = "even"
) -> tables.Table:
  """Returns the table of a solver by name; see `solve`."""
  check_name("solver", solver, (*SOLVERS, MEAN_FLOW))
  grid = grids.path_grid(path, steps, spacing)
  if solver == "heun":
    return tables.heun(grid, mixed=bool(grid.sigma[0] <= 1))  # all but EDM's
  make = {
    "euler": tables.ddim,
    "dpmpp": tables.dpmpp,
    MEAN_FLOW: tables.mean_flow,
  }
  return make[solver](grid)
