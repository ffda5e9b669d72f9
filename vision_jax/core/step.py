"""One training step and one evaluation step, for any task and execution.

A step differentiates *this shard's share of the global loss*, the local total
over the global count, and adds gradients over the axis. Under `jit` there is no
axis and the addition is the identity; under `pmap` it is `psum`. So losses and
metrics hold no collective, and every execution computes the same numbers.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vision_jax.core.contract import check_stats, check_terms
from vision_jax.core.mapped import mapped
from vision_jax.core.norm_group import grouped_norms
from vision_jax.core.state import TrainState, average
from vision_jax.core.types import (
  Array,
  Batch,
  Inputs,
  Mean,
  Metric,
  Objective,
  Task,
  as_given,
)
from vision_jax.errors import UserError

Augment = Callable[[Batch, Array], Batch]
_AUGMENT = 2**31 - 1  # folded into a step's key; objectives fold 0, 1, ...


def make_train_step(
  task: Task,
  optimizers: Mapping[str, optax.GradientTransformation],
  *,
  inputs: Inputs = as_given,
  augment: Augment | None = None,
  ema: Mapping[str, float] | None = None,
  accumulate: int = 1,
  norm_group: int = 0,
  axis: str | None = None,
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]:
  """Returns step(state, batch) -> (new state, logs), pure.

  Logs are scalars: every term, `loss` (the weighted sum), `grad_norm` and
  `learning_rate`; with several nets the last three end in `/net`. A step whose
  losses or gradients are not finite keeps the old state and writes its number
  into `state.bad_step`; so does every step after it.

  Args:
    task: objectives to descend, in order.
    optimizers: one for each net.
    inputs: batch -> batch, applied first, inside the compiled step.
    augment: (batch, key) -> batch, applied next.
    ema: net -> decay of its averaged weights.
    accumulate: microbatches in a step. Microbatch j is the examples i with
      i % accumulate == j; the sum equals the whole batch's gradient, but
      BatchNorm sees a microbatch at a time. Devices add up their gradients
      once under pmap, at every microbatch under jit.
    norm_group: examples of which BatchNorm takes statistics; 0 for all.
    axis: name of the mapped axis under `pmap`, else None.

  Raises:
    ValueError: when traced, if terms of two objectives have one name, or an
      objective returns new statistics of another net than its own.
  """
  ema = dict(ema or {})
  several = len({objective.net for objective in task.objectives}) > 1

  @mapped(axis)
  @grouped_norms(norm_group)
  def step(state, batch):
    batch = inputs(batch)
    key = jax.random.fold_in(state.key, state.step)
    if augment is not None:
      batch = augment(batch, jax.random.fold_in(key, _AUGMENT))
    new, logs, finite = state, {}, state.bad_step < 0
    for number, objective in enumerate(task.objectives):
      tx = optimizers[objective.net]
      for turn in range(objective.repeat):
        part = _strided(batch, objective.repeat, turn)
        turn_key = jax.random.fold_in(jax.random.fold_in(key, number), turn)
        grads, stats, terms = _gradients(
          objective, new, part, turn_key, accumulate, axis
        )
        new, norm = _descend(new, objective.net, tx, grads, stats)
        if not turn:
          check_terms(terms, logs)
        terms = {name: term.divide() for name, term in terms.items()}
        loss = sum(w * terms[name] for name, w in objective.weights.items())
        finite &= jnp.isfinite(norm) & jnp.isfinite(loss)
        suffix = f"/{objective.net}" if several else ""
        logs |= terms | {"loss" + suffix: loss, "grad_norm" + suffix: norm}
        logs |= _learning_rate(new, objective.net, suffix)
    new = new.replace(step=state.step + 1, ema=average(new, ema))
    return _keep_if(finite, new, state), logs

  return step


def make_eval_step(
  task: Task,
  metrics: Mapping[str, Metric],
  *,
  inputs: Inputs = as_given,
  output: Callable[..., Any] | None = None,
  axis: str | None = None,
) -> Callable[..., Any]:
  """Returns step(params, stats, metric_states, batch, key), pure.

  It returns (sums, rows, means): each metric's sums and rows, and each loss
  term as an un-divided `Mean` at `train=False`. All are global: added, or
  gathered, over the axis. Rows carry `index` and `mask`, by which the host
  deduplicates and drops padding.

  Args:
    task: gives the losses, and the outputs where `output` is None.
    metrics: name -> metric.
    inputs: batch -> batch, applied first, as in training.
    output: (params, stats, batch, key) -> outputs that the metrics measure.
    axis: name of the mapped axis under `pmap`, else None.
  """
  output = output or task.predict

  @mapped(axis)
  def step(params, stats, metric_states, batch, key):
    batch, sums, rows, means = inputs(batch), {}, {}, {}
    out = output(params, stats, batch, key) if metrics else None
    for name, metric in metrics.items():
      sums[name], rows[name] = metric.measure(metric_states[name], out, batch)
      if rows[name]:
        rows[name] |= {k: batch[k] for k in ("index", "mask")}
    for objective in task.objectives:
      terms, _ = objective.loss(params, stats, batch, key, step=0, train=False)
      check_terms(terms, means)
      means |= terms
    return _add(sums, axis), _gather(rows, axis), _add(means, axis)

  return step


def make_predict_step(
  task: Task,
  *,
  inputs: Inputs = as_given,
  output: Callable[..., Any] | None = None,
  axis: str | None = None,
) -> Callable[..., Any]:
  """Returns step(params, stats, unused, batch, key) -> outputs, pure.

  Outputs are global, with the examples' `index` and `mask` beside them; the
  arguments are those of an evaluation step.

  Args:
    task: gives the outputs where `output` is None.
    inputs: batch -> batch, applied first, as in training.
    output: (params, stats, batch, key) -> dict of outputs.
    axis: name of the mapped axis under `pmap`, else None.
  """
  output = output or task.predict

  @mapped(axis)
  def step(params, stats, unused, batch, key):
    del unused
    batch = inputs(batch)
    out = dict(output(params, stats, batch, key))
    return _gather(out | {k: batch[k] for k in ("index", "mask")}, axis)

  return step


def _strided(batch: Batch, parts: int, part: int) -> Batch:
  """Returns the examples i with i % parts == part."""
  if parts == 1:
    return batch
  return jax.tree.map(lambda x: _split(x, parts)[:, part], batch)


def _split(x: Array, parts: int) -> Array:
  """Reshapes (b, ...) to (b // parts, parts, ...), which moves no data."""
  if x.shape[0] % parts:
    raise UserError(
      f"A batch of {x.shape[0]} examples on each shard does not split into "
      f"{parts} parts of one size; choose a batch size divisible by devices x "
      "accumulate x repeat."
    )
  return x.reshape(x.shape[0] // parts, parts, *x.shape[1:])


def _add(tree: Any, axis: str | None) -> Any:
  return tree if axis is None else jax.lax.psum(tree, axis)


def _gather(tree: Any, axis: str | None) -> Any:
  if axis is None:
    return tree
  return jax.tree.map(
    lambda x: jax.lax.all_gather(x, axis, axis=0, tiled=True), tree
  )


def _gradients(
  objective: Objective,
  state: TrainState,
  batch: Batch,
  key: Array,
  accumulate: int,
  axis: str | None,
) -> tuple[Any, Any, dict[str, Mean]]:
  """Returns the global gradient of one objective, its stats and its terms."""

  def loss(params, stats, part, part_key):
    terms, new_stats = objective.loss(
      {**state.params, objective.net: params},
      stats,
      part,
      part_key,
      step=state.step,
      train=True,
    )
    check_stats(objective.net, new_stats, stats)
    return terms, new_stats

  def share(params, counts, stats, part, part_key):
    terms, new_stats = loss(params, stats, part, part_key)
    if counts is None:
      counts = _counts(terms, axis)
    scaled = [
      weight * terms[name]._replace(count=counts[name]).divide()
      for name, weight in objective.weights.items()
    ]
    return sum(scaled), (terms, new_stats)

  grad = jax.grad(share, has_aux=True)
  params, stats = state.params[objective.net], state.stats
  if accumulate == 1:
    grads, (terms, stats) = grad(params, None, stats, batch, key)
  else:
    # A count depends on the batch only, so the compiler drops the rest of this.
    counts = _counts(loss(params, stats, batch, key)[0], axis)
    grads, (terms, stats) = _accumulate(
      lambda *args: grad(params, counts, *args), stats, batch, key, accumulate
    )
  return _add(grads, axis), stats, _add(terms, axis)


def _counts(terms: dict[str, Mean], axis: str | None) -> dict[str, Array]:
  counts = {name: term.count for name, term in terms.items()}
  return _add(jax.lax.stop_gradient(counts), axis)


def _accumulate(grad, stats, batch, key, parts):
  """Adds gradients and terms over microbatches; stats pass through them."""

  def body(carry, item):
    grads, terms, stats = carry
    part, number = item
    part_key = jax.random.fold_in(key, number)
    more, (more_terms, stats) = grad(stats, part, part_key)
    grads, terms = jax.tree.map(jnp.add, (grads, terms), (more, more_terms))
    return (grads, terms, stats), None

  micro = jax.tree.map(lambda x: jnp.moveaxis(_split(x, parts), 1, 0), batch)
  first = jax.tree.map(lambda x: x[0], micro)
  grads, (terms, _) = jax.eval_shape(grad, stats, first, key)
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (grads, terms))
  (grads, terms, stats), _ = jax.lax.scan(
    body, (*zeros, stats), (micro, jnp.arange(parts))
  )
  return grads, (terms, stats)


def _descend(state, net, tx, grads, stats):
  """Returns the state after one update of `net`, and its gradient's norm."""
  norm = optax.tree.norm(grads)
  updates, opt = tx.update(grads, state.opt_state[net], state.params[net])
  params = optax.apply_updates(state.params[net], updates)
  new = state.replace(
    params={**state.params, net: params},
    opt_state={**state.opt_state, net: opt},
  )
  if net in stats:
    new = new.replace(stats={**state.stats, net: stats[net]})
  return new, norm


def _learning_rate(state: TrainState, net: str, suffix: str):
  rate = optax.tree.get(state.opt_state[net], "learning_rate", None)
  return {} if rate is None else {"learning_rate" + suffix: rate}


def _keep_if(finite: Array, new: TrainState, old: TrainState) -> TrainState:
  kept = jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)
  first = jnp.where(finite | (old.bad_step >= 0), old.bad_step, old.step)
  return kept.replace(bad_step=first)
