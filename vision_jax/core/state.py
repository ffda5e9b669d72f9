"""The state of a run: one pytree, which a step maps to the next one."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

import flax.struct
import jax
import jax.numpy as jnp
import optax

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Nets, Task, Variables
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Following:
  """A net whose weights are an exponential moving average of another's.

  Losses and outputs see it by its own name; no gradient reaches it. It begins
  as a copy, and moves at the end of each step.

  Attributes:
    net: the one that it follows.
    decay: what stays of the average: a number, or a schedule of the step.
    warmup: whether that is at most (1 + n) / (10 + n) after n updates, as in
      TensorFlow.
  """

  net: str
  decay: float | Callable[[Array], Array]
  warmup: bool = False

  def __post_init__(self):
    if not callable(self.decay) and not 0 <= self.decay <= 1:
      raise UserError(
        f"decay: got {self.decay}; expected 0 to 1, or a schedule."
      )


Averages = Mapping[str, float | Following]  # a number: of the net itself


def rules_of(ema: Averages) -> dict[str, Following]:
  """Returns how each average moves; those of the net itself warm up."""
  own = lambda net, decay: Following(net, decay, warmup=True)
  return {
    n: x if isinstance(x, Following) else own(n, x) for n, x in ema.items()
  }


@flax.struct.dataclass
class Average:
  """Exponential moving averages of some nets' weights.

  Attributes:
    params: averaged parameters: by net, those that stand for it in evaluation;
      by a name of their own, those of nets that follow another.
    stats: averaged statistics (BatchNorm), keyed alike.
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
    ema: averaged weights of the nets that have them, and nets that follow.
    bad_step: the first step that was not finite, int32; -1 while there is none.
  """

  step: Array
  key: Array
  params: Nets
  stats: Nets
  opt_state: Nets
  ema: Average
  bad_step: Array

  def following(self) -> Variables:
    """Returns (params, stats) of the nets that follow another."""
    averages = (self.ema.params, self.ema.stats)
    return tuple(
      {name: x for name, x in nets.items() if name not in self.params}
      for nets in averages
    )

  def weights(self, which: str = "raw") -> Variables:
    """Returns (params, stats): "raw", or "ema" where a net has averages.

    Nets that follow another are among both.
    """
    if which == "raw":
      return joined((self.params, self.stats), self.following())
    if which != "ema":
      raise UserError(f"weights: got {which!r}; expected 'raw' or 'ema'.")
    if not self.ema.params.keys() & self.params.keys():
      raise UserError(
        "weights: got 'ema', but no net of this run has averaged weights; "
        "use 'raw', or train with an Experiment whose `ema` names a net."
      )
    averages = (self.ema.params, self.ema.stats)
    return joined((self.params, self.stats), averages)


def joined(*parts: Variables) -> Variables:
  """Returns the (params, stats) of all nets of several parts, later ones first.

  Args:
    *parts: (params, stats), each keyed by net.
  """
  params, stats = {}, {}
  for more_params, more_stats in parts:
    params |= more_params
    stats |= more_stats
  return params, stats


def create_state(
  task: Task,
  optimizers: Mapping[str, optax.GradientTransformation],
  key: Array,
  batch: Batch,
  *,
  ema: Averages = MappingProxyType({}),
  fixed: Collection[str] = (),
) -> TrainState:
  """Initialises a run; pure, so that it can be traced for its shapes.

  Args:
    task: the task, whose `init` gives parameters and statistics.
    optimizers: one for each net that an objective trains.
    key: typed PRNG key of the run.
    batch: one batch (or its shapes, under `jax.eval_shape`).
    ema: net -> decay of its averaged weights; or name -> how that net follows.
    fixed: nets of the task whose weights come from elsewhere: not in the state.

  Raises:
    UserError: if optimizers, objectives and nets do not match.
  """
  init_key, run_key = jax.random.split(key)
  params, stats = task.init(init_key, batch)
  _check_names(params, ema, fixed)
  rules = rules_of(ema)
  params = {n: x for n, x in params.items() if n not in fixed}
  stats = {n: x for n, x in stats.items() if n not in fixed}
  trained = {objective.net for objective in task.objectives}
  for what, names in (("optimizers", set(optimizers)), ("objectives", trained)):
    if names != trained or not names <= set(params):
      raise UserError(
        f"{what} name the nets {sorted(names)}; expected one optimizer for "
        f"each net with an objective {sorted(trained)}, out of the task's "
        f"nets {sorted(params)}."
      )
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    key=run_key,
    params=params,
    stats=stats,
    opt_state={n: tx.init(params[n]) for n, tx in optimizers.items()},
    ema=Average(
      params={n: params[f.net] for n, f in rules.items()},
      stats={n: stats[f.net] for n, f in rules.items() if f.net in stats},
      count=jnp.zeros((), jnp.int32),
    ),
    bad_step=jnp.full((), -1, jnp.int32),
  )


def average(state: TrainState, ema: Averages) -> Average:
  """Moves the averages of a state whose nets have moved."""
  old, rules = state.ema, rules_of(ema)
  if not rules:
    return old
  warm = (1 + old.count) / (10 + old.count)

  def move(name, tree, nets):
    rule = rules[name]
    decay = rule.decay(state.step) if callable(rule.decay) else rule.decay
    rate = 1 - (jnp.minimum(decay, warm) if rule.warmup else decay)
    new_tree = nets[rule.net]
    return jax.tree.map(
      lambda a, x: a + (rate * (x - a)).astype(a.dtype), tree, new_tree
    )

  return Average(
    params={n: move(n, x, state.params) for n, x in old.params.items()},
    stats={n: move(n, x, state.stats) for n, x in old.stats.items()},
    count=old.count + 1,
  )


def _check_names(nets: Nets, ema: Averages, fixed: Collection[str]) -> None:
  """Refuses to follow, or to fix, a net that the task does not have."""
  for name in fixed:
    check_name("fixed", name, nets)
  trained = [net for net in nets if net not in fixed]
  for name, rule in ema.items():
    if not isinstance(rule, Following):
      check_name("ema", name, trained)
      continue
    check_name(f"following: {name!r} follows", rule.net, trained)
    if name in nets:
      raise UserError(
        f"following: got {name!r}, which the task has as a net; expected a "
        f"name besides {sorted(nets)}."
      )
