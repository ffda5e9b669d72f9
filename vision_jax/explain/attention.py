"""Attention rollout (Abnar & Zuidema, 2020): from which places tokens come.

Each layer's probabilities, a mean over its heads, are halved with the identity
for what goes past it, and multiplied from the first layer to the last.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.explain.net import Choice, Explain, Net, grid_of, to_unit
from vision_jax.layers.attention import Attention
from vision_jax.layers.calls import Call


def prepare(net: Net, choice: Choice) -> tuple[Explain, str]:
  """Returns what gives `heat`, and the name of the first layer of attention.

  It is what the first token comes from, where there are others than places (a
  class token), else the mean of all of them.

  Raises:
    UserError: if the net's tokens do not attend to one another alone.
  """
  own = _of_tokens(net.calls)
  lengths = {call.given.shape[1] for call in own}
  if choice.layer:
    raise UserError(
      f"--layer: got {choice.layer!r}; expected none with --method=attention, "
      "which goes through all layers."
    )
  if len(lengths) != 1:
    found = f"attention over {sorted(lengths)} tokens" if own else "none"
    raise UserError(
      f"--method=attention: {net.name} has {found}; expected a vision "
      "transformer, all of whose tokens attend to one another. "
      "--method=gradcam is for any net."
    )
  h, w = grid_of(net, own[0])

  def explain(weights, batch):
    _, calls = net(weights, batch)
    whole = rollout([probabilities(calls, x) for x in _of_tokens(calls)])
    extra = whole.shape[-1] - h * w
    rows = whole[:, 0] if extra else whole.mean(1)
    return {"heat": to_unit(rows[:, extra:].reshape(-1, h, w))}

  return explain, own[0].path


def rollout(layers: Sequence[Array]) -> Array:
  """Returns (b, l, l): the part of each place in each token after all layers.

  Args:
    layers: probabilities (b, m, l, l) of each, the first first.
  """
  eye = jnp.eye(layers[0].shape[-1])
  mixed = [0.5 * (x.mean(1) + eye) for x in layers]
  return functools.reduce(lambda whole, x: x @ whole, mixed)


def probabilities(calls: Sequence[Call], layer: Call) -> Array:
  """Returns an attention's probabilities (b, m, q, l), float32.

  They are computed again from its queries and keys: the kernels that nets call
  give none.
  """
  outs = {call.path: call.out for call in calls}
  query, key = (outs[f"{layer.path}/{name}"] for name in ("query", "key"))
  split = lambda x: x.astype(jnp.float32).reshape(
    *x.shape[:2], layer.module.heads, -1
  )
  q, k = split(query), split(key)
  logits = jnp.einsum("bqmd,blmd->bmql", q, k) / jnp.sqrt(q.shape[-1])
  if (mask := layer.kwargs.get("mask")) is not None:
    logits = jnp.where(mask, logits, -jnp.inf)
  return jax.nn.softmax(logits, -1)


def _of_tokens(calls: Sequence[Call]) -> list[Call]:
  """The attentions of tokens to one another, in their order."""
  alone = lambda call: len(call.args) < 2 and "context" not in call.kwargs
  return [x for x in calls if isinstance(x.module, Attention) and alone(x)]
