"""A condition of one's own, from the README's own files."""

import re
import sys

import numpy as np
import pytest

from tests.additions import readme
from tests.programs.command import call

pytestmark = pytest.mark.slow  # it trains a diffusion model
FLAGS = ("--config.steps=2", "--config.eval_examples=8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with the README's files and a run in it."""
  folder = tmp_path_factory.mktemp("condition")
  readme.write(folder, "parity.py", "digits_parity.py")
  sys.path.insert(0, str(folder))  # as `python -m` does by itself
  config = ("--config=digits_parity.py:tiny", "--workdir=out/run")
  done = call(*config, *FLAGS, cwd=folder, devices=1)
  assert done.code == 0, done.err
  yield folder
  sys.path.remove(str(folder))
  sys.modules.pop("parity", None)


def sample(folder, *flags, code=0):
  flags = ("--mode=sample", "--workdir=out/run", "--num_samples=2", *flags)
  done = call(*flags, "--sample.steps=2", cwd=folder, devices=1)
  assert done.code == code, done.err
  return done


def test_a_condition_is_two_files_and_can_be_asked_for(folder):
  flags = ("--sample.parity=odd", "--sample.guidance=2", "--output=out/odd")
  sample(folder, *flags)
  with np.load(folder / "out/odd/samples.npz") as drawn:
    assert drawn["label"].tolist() == [1, 1]
    assert drawn["image"].shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--sample.parity=add", "--sample.parity: got 'add'; expected even or odd"),
    ("--label=3", "--label: got 3, .* ask by --sample.parity"),
    ("--sample.party=odd", "--sample.party: Diffusion .* it takes .*parity"),
  ],
)
def test_what_it_does_not_take_is_an_error(folder, flag, message):
  done = sample(folder, flag, "--output=out/none", code=2)
  assert not (folder / "out/none").exists()
  assert re.search(message, done.err), done.err
