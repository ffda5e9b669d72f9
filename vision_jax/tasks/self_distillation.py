"""DINO: a net learns what its own average makes of another view."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.self_supervised import distilled, interleaved
from vision_jax.tasks.net import NET, Net, OneNet

TEACHER = "teacher"  # a net that follows the model
_CENTRE = "centre"


@dataclasses.dataclass(frozen=True)
class SelfDistillation(OneNet):
  """Learns features without labels (DINO, Caron et al., 2021).

  A batch has `image` and `view` (b, h, w, c), as `two_views` gives them. The
  experiment's `following` names the "teacher". Its logits' running mean over
  batches, the centre, is a statistic of the model. Logged beside the loss is
  the teacher's entropy: 0 where it is sure, log(k) where it says nothing.

  Differs from the paper: two views, each as large, and no smaller ones.

  Attributes:
    model: (image, *, train, mask) -> {"features": (b, f), "logits": (b, k)},
      such as `WithPrototypes`.
    temperature: of the student.
    teacher_temperature: of the teacher.
    centre_momentum: what stays of the centre in a step; None takes none away,
      and all images soon have the same class.
  """

  model: nn.Module
  temperature: float = 0.1
  teacher_temperature: float = 0.04
  centre_momentum: float | None = 0.9

  def __post_init__(self):
    for name in ("temperature", "teacher_temperature"):
      if not (value := getattr(self, name)) > 0:
        raise UserError(f"{name}: got {value}; expected more than 0.")
    if self.centre_momentum is not None and not 0 <= self.centre_momentum <= 1:
      raise UserError(
        f"centre_momentum: got {self.centre_momentum}; expected 0 to 1, or "
        "None for no centre."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the model descends and the teacher does not."""
    return (Objective(NET, self._loss, {"distilled": 1.0}),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters, and its statistics with the centre."""
    params, stats = super().init(key, batch)
    shape = jax.eval_shape(
      lambda x: self.net.given(params, stats)(x, train=False), batch["image"]
    )
    centre = jnp.zeros(shape["logits"].shape[-1:], jnp.float32)
    return params, {NET: {**stats[NET], _CENTRE: {"logits": centre}}}

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns the teacher's `features` (b, f) and `probs` (b, k)."""
    del key
    out = self._teacher(params, stats, batch["image"])
    logits = out["logits"] - stats[NET][_CENTRE]["logits"]
    probs = jax.nn.softmax(logits / self.teacher_temperature)
    return {"features": out["features"], "probs": probs}

  def _teacher(self, params: Nets, stats: Nets, image: Array) -> dict:
    return Net(self.model, TEACHER).given(params, stats)(image, train=False)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask = batch["mask"]
    seen = interleaved(batch["image"], batch["view"])
    out, new = self.net.run(
      *(params, stats, seen), key=key, train=train, mask=jnp.repeat(mask, 2)
    )
    pair = lambda x: x.reshape(len(mask), 2, -1)
    student = pair(out["logits"])
    teacher = pair(self._teacher(params, stats, seen)["logits"])
    centre = stats[NET][_CENTRE]["logits"]
    options = {
      "temperature": self.temperature,
      "teacher_temperature": self.teacher_temperature,
    }
    values = distilled(student, teacher[:, ::-1], centre, **options).mean(1)
    sure = jax.nn.log_softmax((teacher - centre) / self.teacher_temperature)
    entropy = -jnp.sum(jnp.exp(sure) * sure, -1).mean(1)
    terms = {"distilled": values, "entropy": entropy}
    terms = {name: Mean.of(x, mask) for name, x in terms.items()}
    if train:
      moved = {_CENTRE: {"logits": self._moved(centre, teacher, mask)}}
      new = {**new, NET: {**new[NET], **moved}}
    return terms, new

  def _moved(self, centre: Array, teacher: Array, mask: Array) -> Array | Mean:
    """Returns the next centre, as the mean over the batch that it is."""
    if (kept := self.centre_momentum) is None:
      return centre
    moved = kept * centre + (1 - kept) * teacher.mean(1)
    moved = jnp.where(mask[:, None] > 0, moved, 0)
    return Mean(jnp.sum(moved, 0), jnp.sum(mask))
