"""The state of a run: one pytree, which a step maps to the next one."""

from collections.abc import Iterable, Mapping

import flax.struct
import jax
import jax.numpy as jnp
import optax

from vision_jax.core.types import Array, Batch, Nets, Task
from vision_jax.errors import UserError


@flax.struct.dataclass
class Average:
  """Exponential moving averages of some nets' weights.

  Attributes:
    params: averaged parameters, keyed by net.
    stats: averaged statistics (BatchNorm), keyed by net.
    count: updates so far, int32.
  """

  params: Nets
  stats: Nets
  count: Array


@flax.struct.dataclass
class TrainState:
  """Everything that a resumed run needs, and nothing else (no functions).

  Attributes:
    step: updates so far, int32.
    key: typed PRNG key of the run; a step's key is fold_in(key, step).
    params: parameters, keyed by net.
    stats: statistics such as BatchNorm's, keyed by net.
    opt_state: optimizer states, keyed by net.
    ema: averaged weights of the nets that have them.
    bad_step: the first step that was not finite, int32; -1 while there is none.
  """

  step: Array
  key: Array
  params: Nets
  stats: Nets
  opt_state: Nets
  ema: Average
  bad_step: Array

  def weights(self, which: str = "raw") -> tuple[Nets, Nets]:
    """Returns (params, stats): "raw", or "ema" where a net has averages."""
    if which == "raw":
      return self.params, self.stats
    if which != "ema":
      raise UserError(f"weights: got {which!r}; expected 'raw' or 'ema'.")
    if not self.ema.params:
      raise UserError(
        "weights: got 'ema', but no net of this run has averaged weights; "
        "use 'raw', or train with an Experiment whose `ema` names a net."
      )
    return (
      {**self.params, **self.ema.params},
      {**self.stats, **self.ema.stats},
    )


def create_state(
  task: Task,
  optimizers: Mapping[str, optax.GradientTransformation],
  key: Array,
  batch: Batch,
  *,
  ema: Iterable[str] = (),
) -> TrainState:
  """Initialises a run; pure, so that it can be traced for its shapes.

  Args:
    task: the task, whose `init` gives parameters and statistics.
    optimizers: one for each net that an objective trains.
    key: typed PRNG key of the run.
    batch: one batch (or its shapes, under `jax.eval_shape`).
    ema: the nets with averaged weights.

  Raises:
    UserError: if optimizers, objectives and nets do not match.
  """
  init_key, run_key = jax.random.split(key)
  params, stats = task.init(init_key, batch)
  trained = {objective.net for objective in task.objectives}
  for what, names in (("optimizers", set(optimizers)), ("objectives", trained)):
    if names != trained or not names <= set(params):
      raise UserError(
        f"{what} name the nets {sorted(names)}; expected one optimizer for "
        f"each net with an objective {sorted(trained)}, out of the task's "
        f"nets {sorted(params)}."
      )
  if not set(ema) <= set(params):
    raise UserError(f"ema: got {sorted(ema)}; the nets are {sorted(params)}.")
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    key=run_key,
    params=params,
    stats=stats,
    opt_state={n: tx.init(params[n]) for n, tx in optimizers.items()},
    ema=Average(
      params={n: params[n] for n in ema},
      stats={n: stats[n] for n in ema if n in stats},
      count=jnp.zeros((), jnp.int32),
    ),
    bad_step=jnp.full((), -1, jnp.int32),
  )


def average(state: TrainState, decays: Mapping[str, float]) -> Average:
  """Moves the averages; the decay grows with the count, as in TensorFlow."""
  old = state.ema
  if not decays:
    return old
  warm = (1 + old.count) / (10 + old.count)

  def move(net, tree, new_tree):
    rate = 1 - jnp.minimum(decays[net], warm)
    return jax.tree.map(
      lambda a, x: a + (rate * (x - a)).astype(a.dtype), tree, new_tree
    )

  return Average(
    params={n: move(n, x, state.params[n]) for n, x in old.params.items()},
    stats={n: move(n, x, state.stats[n]) for n, x in old.stats.items()},
    count=old.count + 1,
  )
