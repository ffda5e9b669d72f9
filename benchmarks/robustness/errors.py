"""Errors under corruption, by kind and strength, and what is made of them."""

from collections.abc import Mapping, Sequence

from benchmarks.result import Result
from benchmarks.suites.robustness import AUGMENTED, PLAIN
from vision_jax.data.transforms.corruptions import STRENGTHS
from vision_jax.errors import UserError

Errors = Mapping[str, Sequence[float]]  # kind -> one a strength
BASE = PLAIN.format("mlp")
AUGMENTED_BY = ("shift", "rotation", "scale")
FROM = 3  # the first strength that augmentation has to help at


def errors_of(result: Result) -> dict[str, list[float]]:
  """Returns the errors of a result of the suite, means over its seeds."""
  also = result.also
  return {
    kind: [
      1 - also[f"robustness/{kind}{number}/accuracy"]
      for number in range(1, len(strengths) + 1)
    ]
    for kind, strengths in STRENGTHS.items()
  }


def relative(errors: Errors, base: Errors) -> dict[str, float]:
  """Returns each kind's corruption error, summed over strengths, over base's.

  Raises:
    UserError: if the base makes no errors.
  """
  if idle := [kind for kind, each in base.items() if not sum(each)]:
    raise UserError(
      f"{BASE}: makes no errors of {', '.join(idle)}; expected some to divide "
      "by."
    )
  return {kind: sum(each) / sum(base[kind]) for kind, each in errors.items()}


def mean_relative(errors: Errors, base: Errors) -> float:
  """Returns the mean corruption error (mCE): the mean of `relative`.

  Hendrycks and Dietterich (2019), who divide by AlexNet's errors.
  """
  found = relative(errors, base)
  return sum(found.values()) / len(found)


def gains(errors: Mapping[str, Errors], net: str) -> dict[str, list[float]]:
  """Returns what accuracy a net gains by augmentation, by kind."""
  plain, augmented = (errors[x.format(net)] for x in (PLAIN, AUGMENTED))
  return {
    kind: [a - b for a, b in zip(plain[kind], augmented[kind], strict=True)]
    for kind in plain
  }


def least_gain(errors: Mapping[str, Errors], net: str) -> float:
  """Returns the smallest gain, of what is augmented, from strength FROM on."""
  found = gains(errors, net)
  return min(x for kind in AUGMENTED_BY for x in found[kind][FROM - 1 :])
