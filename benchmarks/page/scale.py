"""Numbers to pixels, and numbers that one likes to read at an axis."""

import dataclasses
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Scale:
  """From `low` to `high` lie the pixels from `start` to `end`, evenly.

  With `log` it is the logarithms that lie evenly; both are above 0 then.
  """

  low: float
  high: float
  start: float
  end: float
  log: bool = False

  def __call__(self, value: float) -> float:
    """Returns the pixel, to a tenth."""
    low, high, at = self.low, self.high, value
    if self.log:
      low, high, at = math.log(low), math.log(high), math.log(value)
    share = (at - low) / (high - low) if high > low else 0.5
    return round(self.start + share * (self.end - self.start), 1)


def ticks(low: float, high: float, most: int = 4) -> list[float]:
  """Returns round numbers in [low, high]: 1, 2 or 5 times a power of ten."""
  if high <= low:
    return [low]
  least = (high - low) / most
  power = 10.0 ** math.floor(math.log10(least))
  step = next(m * power for m in (1, 2, 5, 10) if m * power >= least * 0.999)
  first = math.ceil(low / step - 1e-9)
  last = math.floor(high / step + 1e-9)
  return [_clean(n * step, step) for n in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
  """Returns powers of ten in [low, high], and 2 and 5 times where few are."""
  powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
  many = [m * 10.0**n for n in powers for m in (1, 2, 5)]
  few = [10.0**n for n in powers]
  inside = lambda found: [x for x in found if low <= x <= high]
  return inside(few) if len(inside(few)) > 2 else inside(many)


def widened(values: Sequence[float], share: float) -> tuple[float, float]:
  """Returns a range with so much of it free at both ends."""
  low, high = min(values), max(values)
  free = (high - low) * share or abs(high) * share or 1.0
  return low - free, high + free


def short(value: float) -> str:
  """Shows a number as an axis does: 12k, 1.5, 0.002."""
  if abs(value) >= 1e9:
    return f"{value / 1e9:.3g}G"
  if abs(value) >= 1e6:
    return f"{value / 1e6:.3g}M"
  if abs(value) >= 1e4:
    return f"{value / 1e3:.3g}k"
  return f"{value:.4g}"


def _clean(value: float, step: float) -> float:
  """Takes off what binary fractions add: 0.30000000000000004 is 0.3."""
  digits = max(0, 1 - math.floor(math.log10(step)))
  return round(value, digits)
