"""Optimizers, each `make(schedule, ...) -> optax.GradientTransformation`.

`schedule` is a rate or a function of the update's number (`schedules.py`). Each
optimizer counts its own updates, keeps the last rate in its state as
`learning_rate`, and takes these options by keyword:

  weight_decay: factor of the decay; 0 is none.
  no_decay: regexes of the parameters that do not decay. None is every scale and
    bias: at most one axis, or so named. () decays all.
  clip: largest global norm of the gradient, before all else; None is no limit.
  rates: {regex: multiplier of the rate}, the first match counts; or
    `layer_decay(...)`.
  frozen: regexes of the parameters that stay as they are, without state.

A pattern that matches no parameter is a ValueError at `init`, which names the
nearest path.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import optax

from vision_jax.errors import UserError
from vision_jax.optim import paths, transforms
from vision_jax.optim.muon import orthogonalized_momentum, scale_adam
from vision_jax.optim.schedules import Schedule, constant

Transform = optax.GradientTransformation


def sgd(
  schedule: Schedule | float,
  momentum: float = 0.9,
  *,
  nesterov: bool = False,
  weight_decay: float = 0.0,
  decoupled: bool = False,
  **options,
) -> Transform:
  """Stochastic gradient descent with momentum, as torch.optim.SGD.

  The decay is L2's: added to the gradient before the momentum; `decoupled` adds
  it after (SGDW, https://arxiv.org/abs/1711.05101).
  """
  direction = optax.identity()
  if momentum:
    direction = optax.trace(momentum, nesterov)
  elif nesterov:
    raise UserError("sgd: nesterov=True needs a momentum; got momentum=0.")

  def stages(decay):
    return (direction, decay) if decoupled else (decay, direction)

  return _assemble(stages, schedule, weight_decay, **options)


def adamw(
  schedule: Schedule | float,
  *,
  b1: float = 0.9,
  b2: float = 0.999,
  eps: float = 1e-8,
  weight_decay: float = 1e-4,
  **options,
) -> Transform:
  """Adam with decoupled decay: https://arxiv.org/abs/1711.05101.

  As in torch, and unlike the paper, the rate multiplies the decay.
  """
  adam = optax.scale_by_adam(b1, b2, eps)
  return _assemble(lambda d: (adam, d), schedule, weight_decay, **options)


def lion(
  schedule: Schedule | float,
  *,
  b1: float = 0.9,
  b2: float = 0.99,
  weight_decay: float = 1e-3,
  **options,
) -> Transform:
  """Lion, the sign of an interpolated momentum: arxiv.org/abs/2302.06675."""
  sign = optax.scale_by_lion(b1, b2)
  return _assemble(lambda d: (sign, d), schedule, weight_decay, **options)


def lamb(
  schedule: Schedule | float,
  *,
  b1: float = 0.9,
  b2: float = 0.999,
  eps: float = 1e-6,
  weight_decay: float = 1e-2,
  **options,
) -> Transform:
  """LAMB, Adam with a trust ratio a layer: https://arxiv.org/abs/1904.00962."""
  adam, trust = optax.scale_by_adam(b1, b2, eps), optax.scale_by_trust_ratio()
  return _assemble(
    lambda d: (adam, d, trust), schedule, weight_decay, **options
  )


def muon(
  schedule: Schedule | float,
  *,
  momentum: float = 0.95,
  weight_decay: float = 0.0,
  consistent_rms: float | None = None,
  adam_only: Sequence[str] | None = None,
  adam_rate: float = 1.0,
  b1: float = 0.9,
  b2: float = 0.999,
  **options,
) -> Transform:
  """Muon for hidden kernels, AdamW for the rest.

  https://kellerjordan.github.io/posts/muon

  Args:
    schedule: the rate.
    momentum: Muon's, Nesterov's form.
    weight_decay: decoupled, of both.
    consistent_rms: None scales by sqrt(max(1, out / in)); 0.2 scales by 0.2
      sqrt(max(in, out)), so that AdamW's rates fit (arxiv.org/abs/2502.16982).
    adam_only: regexes of kernels that AdamW trains; None is those of
      embeddings, stems and heads.
    adam_rate: multiplier of the rate, and so of the decay, for what AdamW
      trains.
    b1: AdamW's.
    b2: AdamW's.
    **options: see the module.
  """
  direction = orthogonalized_momentum(
    momentum, consistent_rms, adam_only, b1, b2
  )
  slower = scale_adam(adam_only, adam_rate)
  stages = lambda decay: (direction, optax.chain(decay, slower))
  tx = _assemble(stages, schedule, weight_decay, **options)
  return _checked(tx, {"adam_only": adam_only})


def _assemble(
  stages: Callable[[Transform], Sequence[Transform]],
  schedule: Schedule | float,
  weight_decay: float,
  *,
  no_decay: Sequence[str] | None = None,
  clip: float | None = None,
  rates: transforms.Rates | None = None,
  frozen: Sequence[str] = (),
) -> Transform:
  """Puts clipping, an optimizer's stages, the rate and the masks together."""
  if weight_decay < 0:
    raise UserError(f"weight_decay: got {weight_decay}; expected >= 0.")
  if clip is not None and not clip > 0:
    raise UserError(f"clip: got {clip}; expected a norm > 0, or None.")
  schedule = schedule if callable(schedule) else constant(schedule)
  decay = optax.identity()
  if weight_decay:
    decay = optax.add_decayed_weights(weight_decay, _decays(no_decay))
  limit = () if clip is None else (optax.clip_by_global_norm(clip),)
  tx = optax.chain(*limit, *stages(decay), transforms.scale_by_rate(schedule))
  if frozen:
    tx = transforms.freeze(tx, frozen)
  if rates is not None:
    # Outside the mask: a layer's depth depends on the frozen layers as well.
    tx = optax.chain(tx, transforms.scale_by_path(rates))
  return _checked(tx, {"no_decay": no_decay})


def _decays(no_decay: Sequence[str] | None):
  """Returns params -> tree of bools: which parameters decay."""

  def decays(path, leaf):
    if no_decay is not None:
      return not paths.matches(no_decay, path)
    return jnp.ndim(leaf) > 1 and not paths.matches(
      [paths.SCALES_AND_BIASES], path
    )

  return lambda params: paths.map_paths(decays, params)


def _checked(tx: Transform, patterns: dict) -> Transform:
  """Returns `tx`, whose `init` checks the patterns, by option's name."""

  def init(params):
    for name, some in patterns.items():
      paths.check_patterns(name, some or (), params)
    return tx.init(params)

  return optax.GradientTransformation(init, tx.update)
