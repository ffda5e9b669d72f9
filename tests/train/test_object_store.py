"""A workdir on an object store, gs://, served on this machine."""

import os
import subprocess
import sys

import pytest

from tests.programs.command import PATIENCE, ROOT
from tests.programs.object_store import serve

CONFIG = "--config=configs/classification/digits_cnn.py:tiny"


@pytest.fixture(scope="module")
def bucket():
  with serve() as (store, address):
    yield (
      store,
      {
        "STORAGE_EMULATOR_HOST": address,  # gcsfs
        "TENSORSTORE_GCS_HTTP_URL": address,
        "NO_GCE_CHECK": "true",
      },
    )


def run(settings, *flags):
  words = [sys.executable, "-m", "vision_jax.main", "--workdir=gs://bucket/run"]
  done = subprocess.run(
    [*words, *flags],
    env=os.environ | settings,
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=PATIENCE,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  return done


def kept(store):
  names = [name for _, name in store.objects]
  return {n.split("/")[2] for n in names if n.startswith("run/checkpoints/")}


@pytest.mark.slow
def test_a_run_is_saved_resumed_and_evaluated_there(bucket):
  store, settings = bucket
  run(settings, CONFIG, "--config.save_every=8")
  assert kept(store) == {"20"}
  names = {name for _, name in store.objects}
  files = ("config.json", "config.py", "manifest.json", "metrics.jsonl")
  assert {f"run/{name}" for name in files} <= names
  done = run(settings, "--config.steps=24")
  assert "Resuming at step 20 of 24" in done.stderr
  assert kept(store) == {"24"}
  lines = store.objects["bucket", "run/metrics.jsonl"][0].splitlines()
  assert len(lines) > 2 and b'"step": 24' in lines[-1]
  metrics = run(settings, "--mode=eval").stdout
  assert '"test/accuracy"' in metrics
  kept_lines = [
    data.decode()
    for (_, name), (data, _) in store.objects.items()
    if name.startswith("run/evaluations/")
  ]
  assert kept_lines == [metrics]
