"""Pixels descend what content and style say of them (Gatys et al., 2016)."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.errors import RunFailure, UserError
from vision_jax.losses.style import style_terms, variation
from vision_jax.stylize.net import Maps, StyleNet

OPTIMIZERS = ("lbfgs", "adam")
STARTS = ("content", "noise")
TERMS = ("content", "style", "variation")


@dataclasses.dataclass(frozen=True)
class Settings:
  """How pixels descend.

  Attributes:
    content: weight of the content's error.
    style: of the style's, see `style_terms`.
    variation: of what makes an image rough.
    optimizer: "lbfgs", with a line search in each step, or "adam".
    lr: of adam, in pixels of [0, 1].
    steps: how many.
    start: what pixels begin as, "content" or "noise", uniform in [0, 1].
    seed: of the noise.
  """

  content: float = 1.0
  style: float = 1e6
  variation: float = 0.0
  optimizer: str = "lbfgs"
  lr: float = 0.02
  steps: int = 300
  start: str = "content"
  seed: int = 0

  def __post_init__(self):
    check_name("--optimizer", self.optimizer, OPTIMIZERS)
    check_name("--start", self.start, STARTS)
    if not (self.content or self.style):
      raise UserError(
        "--content_weight, --style_weight: got 0 and 0; expected one above 0, "
        "or there is nothing to descend."
      )


class Goal(NamedTuple):
  """What pixels descend to: arguments of the step, no constants in it."""

  variables: Mapping[str, Any]  # of the net
  content: Maps
  style: Maps


class Reached(NamedTuple):
  """How far it is after so many steps."""

  step: int
  pixels: np.ndarray  # (h, w, 3) in [0, 1]
  losses: dict[str, float]  # total, and each of `TERMS`


def descend(
  net: StyleNet,
  content: np.ndarray,
  style: np.ndarray,
  settings: Settings,
  *,
  every: int = 0,
) -> Iterator[Reached]:
  """Yields an image before the first step, every so many steps, and the last.

  Pixels may leave [0, 1] on their way; what is yielded is cut off there.

  Args:
    net: whose maps both are compared by.
    content: image (h, w, 3) in [0, 1], of which the result has the size.
    style: image (h, w, 3) in [0, 1], of any size.
    settings: how.
    every: steps from one to the next; 0 yields the first and the last alone.

  Raises:
    RunFailure: if a loss is not finite.
  """
  content, style = (jnp.asarray(x, jnp.float32)[None] for x in (content, style))
  goal = Goal(
    net.variables,
    jax.jit(net.content)(net.variables, content),
    jax.jit(net.style)(net.variables, style),
  )
  pixels = content
  if settings.start == "noise":
    pixels = jax.random.uniform(jax.random.key(settings.seed), content.shape)
  solver = _solver(settings)
  losses = jax.jit(functools.partial(terms_of, net, settings))
  step = jax.jit(functools.partial(_step, net, settings, solver))
  state = jax.jit(solver.init)(pixels)
  for number in range(settings.steps + 1):
    if number:
      pixels, state = step(pixels, state, goal)
    if number in (0, settings.steps) or (every and number % every == 0):
      yield _reached(number, pixels, losses(pixels, goal))


def terms_of(
  net: StyleNet, settings: Settings, pixels: Array, goal: Goal
) -> dict[str, Array]:
  """Returns `total`, and the terms that it is the weighted sum of, scalars.

  Args:
    net: whose maps are compared.
    settings: the weights.
    pixels: (1, h, w, 3).
    goal: what they are compared with.
  """
  maps = net.maps(goal.variables, pixels)
  terms = style_terms(maps, goal.content, goal.style)
  terms["variation"] = variation(pixels)
  terms = {name: x[0] for name, x in terms.items()}
  total = sum(getattr(settings, name) * x for name, x in terms.items())
  return {"total": total, **terms}


def _solver(settings: Settings) -> optax.GradientTransformationExtraArgs:
  if settings.optimizer == "adam":
    return optax.with_extra_args_support(optax.adam(settings.lr))
  return optax.lbfgs()


def _step(net, settings, solver, pixels, state, goal) -> tuple[Array, Any]:
  loss = lambda x: terms_of(net, settings, x, goal)["total"]
  if settings.optimizer == "lbfgs":  # whose line search has both already
    found = optax.value_and_grad_from_state(loss)(pixels, state=state)
  else:
    found = jax.value_and_grad(loss)(pixels)
  value, gradient = found
  updates, state = solver.update(
    gradient, state, pixels, value=value, grad=gradient, value_fn=loss
  )
  return optax.apply_updates(pixels, updates), state


def _reached(step: int, pixels: Array, losses: Mapping[str, Array]) -> Reached:
  found = {name: float(losses[name]) for name in ("total", *TERMS)}
  if not all(map(math.isfinite, found.values())):
    raise RunFailure(
      f"--mode=stylize: the losses of step {step} are not finite ({found}). "
      "Take smaller weights (--style_weight, --content_weight), or with "
      "--optimizer=adam a smaller --lr."
    )
  return Reached(step, np.clip(np.asarray(pixels[0]), 0, 1), found)
