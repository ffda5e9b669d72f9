"""Flow matching and EDM: a denoiser in continuous time, on a path to noise."""

import dataclasses

import flax.linen as nn

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Nets, Objective
from vision_jax.errors import UserError
from vision_jax.ops import diffusion
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion import UNIFORM, Denoised, Density, Path
from vision_jax.ops.diffusion.conversions import (
  CONVERTED,
  SPREAD,
  input_scale,
  parted,
  prediction,
)
from vision_jax.ops.diffusion.noise import normals, shares
from vision_jax.ops.diffusion.paths import Exploding, host_levels
from vision_jax.tasks.conditions import Condition
from vision_jax.tasks.denoising import Denoising, per_example
from vision_jax.tasks.net import NET


@dataclasses.dataclass(frozen=True)
class FlowMatching(Denoising):
  """Predicts the velocity of images on their way from noise, or its like.

  A batch is one of `Diffusion`, and conditions and guidance are the same. On
  the rectified path with velocities it is flow matching
  (https://arxiv.org/abs/2210.02747); on EDM's with "edm" and a normal density
  it is that (https://arxiv.org/abs/2206.00364), whose weights of the loss are 1
  in what its net predicts. Logs `matching`, the squared error of the
  prediction, and `outside`, the share of pixels outside [-1, 1].

  Attributes:
    model: (x, t, condition, *, train, mask) -> prediction (b, h, w, c); t is
      what the path says of a time, 0 to 1000 on all but EDM's. Has
      `num_classes`, where that is the condition.
    path: how much of image and noise there is at each time.
    prediction: "velocity", "x0", "eps", "v", "score" or "edm".
    density: which times are trained at.
    drop_label: share of the examples trained without their condition, which is
      what classifier-free guidance needs.
    clip: whether denoised images are clipped to [-1, 1] while sampling.
    spread: standard deviation of the images, for "edm".
    condition: what the model is given besides; None is the class of a model
      with `num_classes`, and nothing without.
  """

  model: nn.Module
  path: Path
  prediction: str = "velocity"
  density: Density = UNIFORM
  drop_label: float = 0.1
  clip: bool = True
  spread: float = SPREAD
  condition: Condition | None = None

  def __post_init__(self):
    self._settle_condition(self.model)
    self._check_drop_label()
    check_name("prediction", self.prediction, CONVERTED)
    _check_prediction(self.path, self.prediction)
    if not self.spread > 0:
      raise UserError(f"spread: got {self.spread}; expected more than 0.")

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The squared error of the prediction."""
    return (Objective(NET, self._loss, {"matching": 1.0}),)

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    solver: str = "heun",
    steps: int = 20,
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
      solver: "euler", "heun" or "dpmpp".
      steps: number of the solver's steps; heun's 2 steps - 1 evaluations.
      guidance: 1 samples the condition as it was learned, more exaggerates it
        and evaluates the net twice.
      spacing: of the times: "even", "karras" or "log_snr".

    Raises:
      UserError: for an unknown solver, fewer steps than one, or guidance that
        the model was not trained for.
    """
    check_name("solver", solver, diffusion.SOLVERS)
    how = {"solver": solver, "steps": steps, "spacing": spacing}
    return self._solved(params, stats, batch, key, self.path, guidance, **how)

  def noised(self, batch: Batch, key: Array) -> tuple[Array, Array, Array]:
    """Returns noisy images, their times (b,) in [0, 1] and the noise."""
    image = batch["image"]
    t = self.density.times(self.path, shares(key, batch["index"]))
    eps = normals(example_keys(batch, key), 0, image.shape[1:])
    levels = self.path.levels(t, image.ndim)
    return levels.alpha * image + levels.sigma * eps, t, eps

  def _seen(self, x: Array, t: Array) -> tuple[Array, Array]:
    levels = self.path.levels(t, x.ndim)
    scale = input_scale(self.prediction, levels, self.spread)
    return scale * x, self.path.seen(t)

  def _read(self, out: Array, x: Array, t: Array) -> Denoised:
    levels = self.path.levels(t, x.ndim)
    return Denoised(parted(self.prediction, out, x, levels, self.spread)[0])

  def _errors(self, image, x, t, eps, out) -> dict[str, Array]:
    levels = self.path.levels(t, x.ndim)
    wanted = prediction(self.prediction, image, eps, levels, self.spread)
    return {"matching": per_example((out - wanted) ** 2)}


def _check_prediction(path: Path, kind: str) -> None:
  """Refuses what a path has no use for, by name.

  Raises:
    UserError: for noise where a path ends without an image, from which none
      follows; and for what EDM's large levels are not scaled for.
  """
  name = type(path).__name__
  if isinstance(path, Exploding):
    if kind != "edm":
      raise UserError(
        f"prediction: got {kind!r} on EDM's path, whose noise goes to "
        f"{path.most:g}; expected 'edm', which scales what the net sees."
      )
  elif kind in ("eps", "score"):
    alpha, _ = host_levels(path, [1.0])
    if alpha[0] < 1e-4:
      raise UserError(
        f"prediction: got {kind!r} on the path {name}, at whose end no image "
        "follows from the noise; expected 'velocity', 'v', 'x0' or 'edm', or "
        "the path 'variance_preserving'."
      )
