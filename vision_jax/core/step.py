"""One training step and one evaluation step, for any task and execution.

A step differentiates this shard's share of the global loss and adds gradients
over the shards. Under `jit` there is one and the addition is the identity;
under `pmap` it is `psum`. So losses and metrics hold no collective, and every
execution computes the same numbers.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vision_jax.core.gradients import gradients, logged, strided, suffix
from vision_jax.core.mapped import add_shards, gather_shards
from vision_jax.core.norm_group import grouped_norms
from vision_jax.core.state import Averages, TrainState, average, joined
from vision_jax.core.types import (
  NO_NETS,
  Array,
  Augment,
  Batch,
  Inputs,
  Metric,
  Nets,
  Output,
  Task,
  Variables,
  as_given,
)

Logs = dict[str, Array]
TrainStep = Callable[[TrainState, Batch, Variables], tuple[TrainState, Logs]]
# (params, stats, metric_states, batch, key) -> what is measured or predicted
EvalStep = Callable[[Nets, Nets, Any, Batch, Array], Any]

_AUGMENT = 2**31 - 1  # folded into a step's key; objectives fold 0, 1, ...
_WHICH = ("index", "mask")  # which examples rows are of, and whether they count


def make_train_step(
  task: Task,
  optimizers: Mapping[str, optax.GradientTransformation],
  *,
  inputs: Inputs = as_given,
  augment: Augment | None = None,
  ema: Averages | None = None,
  accumulate: int = 1,
  norm_group: int = 0,
) -> TrainStep:
  """Returns step(state, batch, fixed=NO_NETS) -> (new state, logs), pure.

  Losses see the nets that objectives train, those that follow and those that
  are `fixed`: (parameters, statistics), no part of the state.

  Logs are scalars: every term, `loss` (the weighted sum), `grad_norm`,
  `update_norm` (the optimizer's), `param_norm` (before the update) and
  `learning_rate`; where several nets are trained, all end in `/net`. A step
  whose losses or gradients are not finite keeps the old state and writes its
  number into `state.bad_step`; so does every step after it.

  Args:
    task: objectives to descend, in order.
    optimizers: one for each net.
    inputs: batch -> batch, applied first, inside the compiled step.
    augment: (batch, key) -> batch, applied next.
    ema: net -> decay of its averaged weights; or name -> how that net, which
      losses see, follows another.
    accumulate: microbatches in a step. Microbatch j is the examples i with
      i % accumulate == j; the sum equals the whole batch's gradient, but
      BatchNorm sees a microbatch at a time. Devices add up their gradients
      once under pmap, at every microbatch under jit.
    norm_group: examples of which BatchNorm takes statistics; 0 for all.

  Raises:
    ValueError: when traced, if two terms of a net have one name, or an
      objective returns new statistics of another net than its own.
  """

  @grouped_norms(norm_group)
  def step(state, batch, fixed=NO_NETS):
    batch, others = inputs(batch), joined(state.following(), fixed)
    key = jax.random.fold_in(state.key, state.step)
    if augment is not None:
      batch = augment(batch, jax.random.fold_in(key, _AUGMENT))
    new, logs, finite = state, {}, state.bad_step < 0
    for number, objective in enumerate(task.objectives):
      net, ending = objective.net, suffix(task.objectives, objective.net)
      for turn in range(objective.repeat):
        part = strided(batch, objective.repeat, turn)
        turn_key = jax.random.fold_in(jax.random.fold_in(key, number), turn)
        grads, stats, terms = gradients(
          objective, new, others, part, turn_key, accumulate
        )
        new, norms = _descend(new, net, optimizers[net], grads, stats)
        named = logged(terms, ending, () if turn else logs)
        named = {name: term.divide() for name, term in named.items()}
        loss = sum(
          w * named[name + ending] for name, w in objective.weights.items()
        )
        finite &= jnp.isfinite(norms["grad_norm"]) & jnp.isfinite(loss)
        logs |= named | {"loss" + ending: loss}
        logs |= {name + ending: norm for name, norm in norms.items()}
        logs |= _learning_rate(new, net, ending)
    new = new.replace(step=state.step + 1, ema=average(new, ema or {}))
    return _keep_if(finite, new, state), logs

  return step


def make_eval_step(
  task: Task,
  metrics: Mapping[str, Metric],
  *,
  inputs: Inputs = as_given,
  output: Output | None = None,
  losses: bool = True,
) -> EvalStep:
  """Returns step(params, stats, metric_states, batch, key), pure.

  It returns (sums, rows, means): each metric's sums and rows, and each loss
  term as an un-divided `Mean` at `train=False`. All are global: added, or
  gathered, over the shards. Rows carry `index` and `mask`, by which the host
  deduplicates and drops padding.

  Args:
    task: gives the losses, and the outputs where `output` is None.
    metrics: name -> metric.
    inputs: batch -> batch, applied first, as in training.
    output: (params, stats, batch, key) -> outputs that the metrics measure.
    losses: whether there are terms.
  """
  output = output or task.predict

  def step(params, stats, metric_states, batch, key):
    batch, sums, rows, means = inputs(batch), {}, {}, {}
    out = output(params, stats, batch, key) if metrics else None
    for name, metric in metrics.items():
      sums[name], rows[name] = metric.measure(metric_states[name], out, batch)
      if rows[name]:
        rows[name] |= {k: batch[k] for k in _WHICH}
    for objective in task.objectives if losses else ():
      terms, _ = objective.loss(params, stats, batch, key, step=0, train=False)
      means |= logged(terms, suffix(task.objectives, objective.net), means)
    return add_shards(sums), gather_shards(rows), add_shards(means)

  return step


def make_predict_step(
  task: Task, *, inputs: Inputs = as_given, output: Output | None = None
) -> EvalStep:
  """Returns step(params, stats, (), batch, key) -> outputs, pure.

  Outputs are global, with the examples' `index` and `mask` beside them; the
  arguments are those of an evaluation step without metrics.

  Args:
    task: gives the outputs where `output` is None.
    inputs: batch -> batch, applied first, as in training.
    output: (params, stats, batch, key) -> dict of outputs.
  """
  output = output or task.predict

  def step(params, stats, metric_states, batch, key):
    assert not metric_states, "a prediction has no metrics"
    batch = inputs(batch)
    out = dict(output(params, stats, batch, key))
    return gather_shards(out | {k: batch[k] for k in _WHICH})

  return step


def _descend(
  state: TrainState,
  net: str,
  optimizer: optax.GradientTransformation,
  grads: Any,
  stats: Nets,
) -> tuple[TrainState, dict[str, Array]]:
  """Returns the state after one update of `net`, and the norms in it."""
  old = state.params[net]
  updates, opt_state = optimizer.update(grads, state.opt_state[net], old)
  new = state.replace(
    params={**state.params, net: optax.apply_updates(old, updates)},
    opt_state={**state.opt_state, net: opt_state},
  )
  if net in stats:
    new = new.replace(stats={**state.stats, net: stats[net]})
  lengths = {"grad_norm": grads, "update_norm": updates, "param_norm": old}
  return new, {name: optax.tree.norm(tree) for name, tree in lengths.items()}


def _learning_rate(state: TrainState, net: str, ending: str) -> Logs:
  """The optimizer's rate, by its name in our state and in optax's."""
  found = optax.tree.get_all_with_path(state.opt_state[net], "learning_rate")
  # A schedule that optax injects has a state of the same name, no array.
  rates = [rate for _, rate in found if isinstance(rate, jax.Array)]
  return {"learning_rate" + ending: rates[0]} if rates else {}


def _keep_if(finite: Array, new: TrainState, old: TrainState) -> TrainState:
  kept = jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)
  first = jnp.where(finite | (old.bad_step >= 0), old.bad_step, old.step)
  return kept.replace(bad_step=first)
