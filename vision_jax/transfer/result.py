"""What a probe has measured: a table for a person, JSON for a program."""

from collections.abc import Mapping
from typing import Any

from vision_jax.transfer.images import ProbeImages
from vision_jax.transfer.probe import Outcome, Probe

NAMES = {
  "ridge": "linear, ridge regression",
  "logistic": "linear, logistic",
  "knn": "nearest neighbours",
}


def table(
  outcomes: Mapping[str, Outcome], probe: Probe, images: ProbeImages
) -> str:
  """Returns lines: each classifier's mean accuracy and its interval, in %."""
  lines = [_title(probe, images)]
  width = max(len(NAMES[name]) for name in outcomes)
  lines.append(f"{'':{width}}  accuracy  95 % interval")
  for name, x in outcomes.items():
    low, high = (100 * end for end in x.interval)
    interval = f"{low:.2f} to {high:.2f}"
    lines.append(f"{NAMES[name]:{width}}  {100 * x.mean:8.2f}  {interval:>14}")
  return "\n".join(lines)


def as_dict(
  outcomes: Mapping[str, Outcome], probe: Probe, images: ProbeImages
) -> dict[str, Any]:
  """Returns all of it, as JSON has it; accuracies are fractions."""
  seeds = range(probe.seed, probe.seed + probe.episodes) if probe.shots else ()
  return {
    "data": images.name,
    "classes": list(images.class_names),
    "measured_on": images.split,
    "examples": len(images.measured),
    "shots": probe.shots or None,
    "seeds": list(seeds),
    "neighbours": probe.neighbours,
    "accuracy": {
      name: {
        "mean": x.mean,
        "interval": list(x.interval),
        "values": list(x.values),
        "penalty": list(x.chosen),
      }
      for name, x in outcomes.items()
    },
  }


def _title(probe: Probe, images: ProbeImages) -> str:
  fitted = f"all {len(images.train)} images of train"
  if probe.shots:
    fitted = f"{probe.shots} images of each class, {probe.episodes} times anew"
  return (
    f"{images.name}: fitted to {fitted}, measured on {len(images.measured)} "
    f"of {images.split}"
  )
