"""HOG, Gabor filters and pixels with scikit-learn, beside an MLP, CNN and ViT.

  python -m benchmarks.classical --dataset=digits --output=OUT
  python -m benchmarks.classical --dataset=mnist --output=OUT --seeds=1

Everything is given the same training images of one config and measured on the
same test images: descriptors with a support vector machine and a random forest,
and the nets that configs/classification/mnist_robustness.py trains, not
augmented; --config.KEY=VALUE changes those. Writes classical_DATASET.json and
.md to --output; what is measured already, in --workdir, is not measured again.
Exit codes: 2 for bad input, 1 where training a net breaks.
"""

import argparse
import datetime
import json
import pathlib
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import environment
from benchmarks.classical import learners, nets
from benchmarks.classical.learners import Images
from benchmarks.finished import RunFailed
from benchmarks.overrides import read_overrides
from benchmarks.report import markdown
from vision_jax.errors import UserError
from vision_jax.files import replace_text
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.recipe import recipe

METHODS = (*learners.NAMES, *nets.NAMES)


def main(argv: Sequence[str] | None = None) -> int:
  """Measures all methods, and writes the table; returns the exit code."""
  words = sys.argv[1:] if argv is None else argv
  try:
    options = _parse(argv)
    rows = _measured(options)
  except RunFailed as error:
    print(f"benchmarks.classical: {error}", file=sys.stderr)
    return 1
  except UserError as error:
    print(f"benchmarks.classical: {error}", file=sys.stderr)
    return 2
  found = {
    "command": shlex.join(["python", "-m", "benchmarks.classical", *words]),
    "dataset": options.dataset,
    "hardware": environment.hardware(),
    "versions": environment.versions() | {"scikit-learn": _scikit_learn()},
    "git_commit": environment.git_commit(),
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "rows": rows,
  }
  output = pathlib.Path(options.output)
  output.mkdir(parents=True, exist_ok=True)
  name = output / f"classical_{options.dataset}"
  replace_text(name.with_suffix(".json"), json.dumps(found, indent=1) + "\n")
  replace_text(name.with_suffix(".md"), page(found))
  print(page(found))
  return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.classical", description=__doc__
  )
  add = parser.add_argument
  add("--dataset", choices=nets.VARIANTS, default="digits")
  add("--output", default="out/classical")
  add("--workdir", default="out/classical", type=pathlib.Path)
  add("--methods", type=lambda x: x.split(","), default=list(METHODS))
  add("--seeds", type=int, default=3, help="of what draws numbers")
  options, rest = parser.parse_known_args(argv)
  options.overrides = read_overrides(rest)
  for method in options.methods:
    if method not in METHODS:
      raise UserError(
        f"--methods: got {method!r}; expected of {', '.join(METHODS)}."
      )
  if options.seeds < 1:
    raise UserError(f"--seeds: got {options.seeds}; expected 1 or more.")
  return options


def _measured(options: argparse.Namespace) -> list[dict[str, Any]]:
  """Returns a row for each method, of one or more seeds."""
  path = f"{nets.CONFIG}{nets.VARIANTS[options.dataset]}"
  config = recipe.load(path, options.overrides).config
  data = LabelData.of(config)
  train, test = (_all(x) for x in (data.train, data.evals["test"]))
  rows = []
  for method in options.methods:
    draws = method in nets.NAMES or method.split("+")[1] in learners.DRAWS
    seeds = range(options.seeds if draws else 1)
    found = [_once(method, seed, options, train, test) for seed in seeds]
    rows.append(
      {
        "method": method,
        "seeds": list(seeds),
        "training_images": len(train.label),
        "test_images": len(test.label),
        **{key: [x[key] for x in found] for key in found[0]},
      }
    )
  return rows


def _once(
  method: str,
  seed: int,
  options: argparse.Namespace,
  train: Images,
  test: Images,
) -> dict[str, float]:
  """Measures a method, or reads what was measured before."""
  folder = options.workdir / options.dataset / method / f"seed{seed}"
  file, asked = folder / "measured.json", _identity(method, options)
  if file.exists():
    before = json.loads(file.read_text(encoding="utf-8"))
    if before.pop("asked") == asked:
      return before
    raise UserError(
      f"--workdir: {folder} holds another measurement; choose another folder."
    )
  folder.mkdir(parents=True, exist_ok=True)
  if method in nets.NAMES:
    given = options.overrides
    found = nets.measure(method, options.dataset, seed, given, folder)
  else:
    found = learners.measure(method, train, test, seed)
  print(f"{method}, seed {seed}: {found}", flush=True)
  replace_text(file, json.dumps({"asked": asked, **found}))
  return found


def _identity(method: str, options: argparse.Namespace) -> dict[str, Any]:
  """What a measurement depends on besides the code."""
  return {
    "method": method,
    "overrides": options.overrides,
    "versions": environment.versions(),
  }


def _all(source) -> Images:
  found = source.gather(np.arange(len(source)))
  return Images(found["image"], found["label"])


def _scikit_learn() -> str:
  import sklearn

  return sklearn.__version__


def page(found: Mapping[str, Any]) -> str:
  """Returns the table as markdown."""
  first = found["rows"][0]
  versions = ", ".join(
    f"{name} {found['versions'][name]}"
    for name in ("python", "jax", "flax", "scikit-learn")
  )
  head = f"""# Before deep learning, beside it: {found["dataset"]}

{_counts(first)} of
28 x 28 pixels, the same for all, nothing augmented and nothing tuned. HOG is of
7 x 7 cells; Gabor filters of 3 frequencies and 6 directions are averaged over a
4 x 4 grid; the support vector machine has an RBF kernel and C = 10, the forest
100 trees. Parameters are the numbers a method predicts by: support vectors and
weights; splits and leaves. Seconds are of the processor, for training and test;
those of nets hold start-up and compilation.

{markdown.code(found["command"])}; {environment.describe(found["hardware"])};
{versions}; commit {found["git_commit"][:12]}; {found["date"][:10]}.

"""
  columns = ("method", "seeds", "accuracy %", "CPU s", "parameters", "features")
  return head + markdown.table(columns, [_cells(x) for x in found["rows"]])


def _counts(row: Mapping[str, Any]) -> str:
  train, test = row["training_images"], row["test_images"]
  return f"{train:,} images to train and {test:,} to test"


def _cells(row: Mapping[str, Any]) -> list[str]:
  accuracy = [100 * x for x in row["accuracy"]]
  spread = f" ± {statistics.stdev(accuracy):.2f}" if len(accuracy) > 1 else ""
  return [
    row["method"],
    str(len(row["seeds"])),
    f"{statistics.fmean(accuracy):.2f}{spread}",
    f"{statistics.fmean(row['cpu_seconds']):.1f}",
    f"{round(statistics.fmean(row['parameters'])):,}",
    str(row["features"][0]) if "features" in row else "",
  ]
