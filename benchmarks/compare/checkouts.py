"""Models of big_vision and scenic, from a checkout of either.

Their nets in a plain step of flax and optax: cross-entropy and SGD with
momentum, as of our step. Their own trainers need tensorflow, and are not timed;
their models import some of it, too.
"""

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.accelerator.states import NotHere
from benchmarks.compare.models import MODELS, check_parameters, form_of
from benchmarks.compare.ours import size_of, timed
from benchmarks.speed import worker


def measure(
  name: str,
  *,
  model: str,
  mode: str,
  batch_size: int,
  image_size: int,
  dtype: str,
  parameters: int,
  seconds: float,
  started: float,
  checkout: str,
  **_: Any,
) -> dict[str, Any]:
  """Returns a turn of a model of a checkout, tuned as ours.

  Raises:
    NotHere: if what it imports is not installed.
    UserError: if it has other parameters than ours.
  """
  worker.tune(lambda: not MODELS[model].width)
  sys.path.insert(0, checkout)
  try:
    net = make(name, model, dtype)
  except ImportError as error:
    raise NotHere(f"its model does not import here: {error}") from error
  import jax

  from benchmarks.speed.steps import Program, Running

  batch = jax.device_put(worker.made_batch((batch_size, *[image_size] * 2, 3)))
  build = {"train": _training, "infer": _inference}[mode]
  make_state, fn, donated = build(net)
  state = jax.jit(make_state)(batch)
  own = check_parameters(name, model, size_of(state["params"]), parameters)
  compilable = lambda: jax.jit(fn, donate_argnums=donated)
  running = Running(
    Program(fn, compilable, state, batch, batch_size, devices=1, flops=0)
  )
  return own | timed(running, seconds, started)


def make(peer: str, model: str, dtype: str) -> Any:
  """Returns a peer's module of flax; raises ImportError where it cannot."""
  import jax.numpy as jnp

  form, known = form_of(peer, model), MODELS[model]
  if peer == "big_vision":
    from big_vision.models import vit

    return vit.Model(1000, variant=form, pool_type="tok", dtype_mm=dtype)
  if not known.width:
    from scenic.projects.baselines import resnet

    return resnet.ResNet(1000, num_layers=int(form[6:]), dtype=jnp.dtype(dtype))
  from ml_collections import ConfigDict
  from scenic.projects.baselines import vit

  return vit.ViT(
    num_classes=1000,
    mlp_dim=4 * known.width,
    num_layers=12,
    num_heads=known.heads,
    patches=ConfigDict({"size": (16, 16)}),
    hidden_size=known.width,
    dropout_rate=0.0,
    attention_dropout_rate=0.0,
    classifier="token",
    dtype=jnp.dtype(dtype),
  )


Built = tuple[Callable[..., Any], Callable[..., Any], tuple[int, ...]]


def _inference(net: Any) -> Built:
  """What makes the weights, the forward pass, and that none is consumed."""
  import jax

  def init(batch):
    return net.init(jax.random.key(0), batch["image"], train=False)

  def step(weights, batch):
    return weights, _logits(net.apply(weights, batch["image"], train=False))

  return init, step, ()


def _training(net: Any) -> Built:
  """What makes a state, the step, and that it consumes the state."""
  import jax
  import optax

  descend = optax.sgd(1e-3, momentum=0.9)
  initial, _, _ = _inference(net)

  def init(batch):
    weights = dict(initial(batch))
    params = weights.pop("params")
    return {"params": params, "rest": weights, "moments": descend.init(params)}

  def step(state, batch):
    def loss(params):
      weights = {"params": params, **state["rest"]}
      out, rest = net.apply(
        *(weights, batch["image"]), train=True, mutable=[*state["rest"]]
      )
      values = optax.softmax_cross_entropy_with_integer_labels(
        _logits(out).astype("float32"), batch["label"]
      )
      return values.mean(), rest

    (value, rest), gradient = jax.value_and_grad(loss, has_aux=True)(
      state["params"]
    )
    moved, moments = descend.update(gradient, state["moments"])
    params = optax.apply_updates(state["params"], moved)
    return {"params": params, "rest": rest, "moments": moments}, value

  return init, step, (0,)


def _logits(out: Any) -> Any:
  """The logits, which big_vision has beside what came before them."""
  return out[0] if isinstance(out, tuple) else out
