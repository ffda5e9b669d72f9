"""The losses of every config's tiny variant, to be compared over a change.

  python -m tests.programs.golden write FILE [CONFIG ...]
  python -m tests.programs.golden check FILE [CONFIG ...]

A refactoring shows the same losses for 20 steps: write them before, check them
after, on the same machine. Of the terms that the command logs (`train/...`),
all that are in FILE have to be there, equal to 1e-6 of their size; whether
they are bit-identical is printed too.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np

from tests.programs.command import ROOT, metrics, train
from tests.programs.flags import compile_cheaply

STEPS = 20
TOLERANCE = 1e-6


def configs():
  """Every config, by its path in the checkout."""
  files = sorted((ROOT / "configs").glob("*/*.py"))
  return [str(p.relative_to(ROOT)) for p in files if p.name != "__init__.py"]


def losses(config):
  """What twenty steps of the tiny variant log, a list of (step, terms)."""
  with tempfile.TemporaryDirectory() as folder:
    train(
      folder,
      "--config.log_every=1",
      "--config.eval_every=0",
      f"--config.steps={STEPS}",
      config=f"{config}:tiny",
      devices=1,
    )
    lines = metrics(folder)
  losses = []
  for line in lines:
    terms = {k: x for k, x in line.items() if k.startswith("train/")}
    if terms:
      losses.append([line["step"], terms])
  return losses


def logged(terms, name):
  """A term, which may end in its net by now; None where there is none."""
  ended = [key for key in terms if key.rpartition("/")[0] == name]
  return terms.get(name, terms[ended[0]] if len(ended) == 1 else None)


def differences(before, after):
  """The largest relative difference, and what is missing, of two runs."""
  worst, missing = 0.0, []
  after = dict(after)
  for step, terms in before:
    for name, x in terms.items():
      y = logged(after.get(step, {}), name)
      if y is None:
        missing.append(f"{step}:{name}")
      else:
        worst = np.maximum(worst, abs(x - y) / max(abs(x), 1e-6))
  return worst, missing


def main(mode, file, *names):
  """Writes or checks; returns the exit code."""
  path, bad = pathlib.Path(file), 0
  known = json.loads(path.read_text()) if path.exists() else {}
  for config in names or configs():
    got = losses(config)
    if mode == "write":
      known[config] = got
      path.write_text(json.dumps(known, indent=1) + "\n")
      print(f"{config}: {got[-1]}", flush=True)
      continue
    worst, missing = differences(known[config], got)
    same = "bit-identical" if worst == 0 else f"{worst:.1e} apart"
    failed = not worst <= TOLERANCE or bool(missing)  # NaN too
    bad += failed
    print(f"{'DIFFERS' if failed else 'same'} {config}: {same} {missing[:3]}",
          flush=True)  # fmt: skip
  return 1 if bad else 0


if __name__ == "__main__":
  compile_cheaply()
  sys.exit(main(*sys.argv[1:]))
