"""MeanFlow: the average velocity between two times, for images in one step."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Nets, Objective
from vision_jax.errors import UserError
from vision_jax.ops import diffusion
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion import Denoised, Density
from vision_jax.ops.diffusion.averages import rate
from vision_jax.ops.diffusion.noise import normals, shares
from vision_jax.tasks.conditions import Condition
from vision_jax.tasks.denoising import Denoising, per_example
from vision_jax.tasks.net import NET

PATH = diffusion.path("rectified")
DENSITY = Density("normal", -0.4, 1.0)  # the paper's
SMALLEST = 1e-3  # added to a squared error that weights are made of
SOLVERS = (diffusion.MEAN_FLOW, *diffusion.SOLVERS)


@dataclasses.dataclass(frozen=True)
class MeanFlow(Denoising):
  """Predicts the average velocity between two times of the straight path.

  Geng et al., https://arxiv.org/abs/2505.13447. A batch is one of `Diffusion`,
  and so are conditions. The average u from t back to r is v at r = t, and else
  learned from its own derivative: u = v - (t - r) du/dt. Of this the right side
  is a constant to the gradient, and v the velocity of the example. Logs
  `mean_flow`, the weighted squared error; `matching`, the plain one; and
  `outside`, the share of pixels outside [-1, 1].

  Differs from the paper: an error is the mean over an image's values and not
  their sum, and guidance mixes in no prediction of the condition (its kappa is
  0).

  Attributes:
    model: (x, t, condition, *, train, mask) -> average velocity (b, h, w, c); t
      is (b, 2), the later time and how far back the earlier one is, both within
      [0, 1]. Has `times`, 2, and `num_classes`, where that is the condition.
    density: which times are trained at; the later of two is t, the other r.
    instant: share of the examples whose r is t.
    power: an example's weight is one over its error to this power; 0 is the
      plain error, 1 the paper's.
    target_guidance: weight of the condition in what is learned, which one
      evaluation then draws with; 1 is none.
    drop_label: share of the examples trained without their condition, which is
      what classifier-free guidance needs.
    condition: what the model is given besides; None is the class of a model
      with `num_classes`, and nothing without.
  """

  model: nn.Module
  density: Density = DENSITY
  instant: float = 0.75
  power: float = 1.0
  target_guidance: float = 1.0
  drop_label: float = 0.1
  condition: Condition | None = None
  # What a step goes towards is an image at the last one only.
  clip: ClassVar[bool] = False

  def __post_init__(self):
    self._settle_condition(self.model)
    self._check_drop_label()
    times = getattr(self.model, "times", 1)
    if times != 2:
      raise UserError(
        f"model: got {type(self.model).__name__} of times={times}; expected "
        "times=2, as an average velocity is one between two times."
      )
    if not 0 <= self.instant <= 1:
      raise UserError(f"instant: got {self.instant}; expected [0, 1].")
    if not self.power >= 0:
      raise UserError(f"power: got {self.power}; expected 0 or more.")
    if self.target_guidance != 1:
      self.check_guidance(self.target_guidance)

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted squared error of the average velocity."""
    return (Objective(NET, self._loss, {"mean_flow": 1.0}),)

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    solver: str = diffusion.MEAN_FLOW,
    steps: int = 1,
    guidance: float = 1.0,
    spacing: str = "even",
  ) -> dict[str, Array]:
    """Draws `image` (b, h, w, c), one for each `index` of the batch.

    Args:
      params: those of all nets, by name.
      stats: likewise.
      batch: `index`, what the condition reads, and `image`, of which only the
        shape counts.
      key: an image depends on it, its index and its condition alone.
      solver: "mean_flow"; or "euler", "heun" or "dpmpp", by velocities, which
        are the averages over no time.
      steps: number of the solver's steps; heun's 2 steps - 1 evaluations.
      guidance: 1 samples the condition as it was learned, more exaggerates it
        and evaluates the net twice.
      spacing: of the times: "even", "karras" or "log_snr".

    Raises:
      UserError: for an unknown solver, fewer steps than one, or guidance that
        the model was not trained for.
    """
    check_name("solver", solver, SOLVERS)
    how = {"solver": solver, "steps": steps, "spacing": spacing}
    return self._solved(params, stats, batch, key, PATH, guidance, **how)

  def times(self, batch: Batch, key: Array) -> Array:
    """Returns t and r of each example, (b, 2), of which t is not less."""
    draw = lambda k: jax.random.uniform(jax.random.fold_in(k, 2), (2,))
    other, place = jax.vmap(draw)(example_keys(batch, key)).T
    one = shares(key, batch["index"])
    both = [self.density.times(PATH, each) for each in (one, other)]
    t = jnp.maximum(*both)
    r = jnp.where(place < self.instant, t, jnp.minimum(*both))
    return jnp.stack([t, r], axis=-1)

  def noised(self, batch: Batch, key: Array) -> tuple[Array, Array, Array]:
    """Returns noisy images, their times (b,) in [0, 1] and the noise."""
    image = batch["image"]
    t = self.times(batch, key)[:, 0]
    eps = normals(example_keys(batch, key), 0, image.shape[1:])
    levels = PATH.levels(t, image.ndim)
    return levels.alpha * image + levels.sigma * eps, t, eps

  def _seen(self, x: Array, t: Array) -> tuple[Array, Array]:
    """Of (b,) times alone the net is asked for the velocity.

    It is told times as they are, and not a thousand times as much: what it
    makes of them is differentiated.
    """
    if t.ndim == 1:
      return x, t
    return x, jnp.stack([t[:, 0], t[:, 0] - t[:, 1]], axis=-1)

  def _read(self, out: Array, x: Array, t: Array) -> Denoised:
    later = t if t.ndim == 1 else t[:, 0]
    return Denoised(x - PATH.levels(later, x.ndim).sigma * out)

  def _compared(self, run, params, batch, key, given):
    image, times = batch["image"], self.times(batch, key)
    x, t, eps = self.noised(batch, key)
    out, stats = run(params, x, times, given)
    constant = jax.lax.stop_gradient(params)
    again = lambda x, t, given: run(constant, x, t, given)[0]
    velocity = eps - image
    guided = velocity
    if self.target_guidance != 1:
      free = again(x, t, self.condition.null(given))
      guided += (self.target_guidance - 1) * (velocity - free)
    du_dt = rate(lambda x, t: again(x, t, given), x, times, guided)
    span = (times[:, 0] - times[:, 1]).reshape(-1, *[1] * (x.ndim - 1))
    # The velocity that the average says by the identity, whose error is that of
    # the average: the rest is constant.
    implied = out + span * du_dt + (velocity - guided)
    return self._errors(image, x, t, eps, implied), stats

  def _errors(self, image, x, t, eps, out) -> dict[str, Array]:
    error = per_example((out - (eps - image)) ** 2)
    weight = jax.lax.stop_gradient((error + SMALLEST) ** -self.power)
    return {"mean_flow": weight * error, "matching": error}
