"""A mode of the command is one file: its flags, its check, its run."""

import os
import shutil
import subprocess
import sys

from tests.programs.command import ROOT

MODE = '''
"""Which values of a config hold a text."""

import dataclasses

from vision_jax.command.flags import option
from vision_jax.command.options import Configured
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Prints the names of the values that hold a text."""

  starts = False
  text: str = option("", "What to look for.")
  most: int = option(9, "So many names at most.", low=1)

  @property
  def needs_workdir(self):
    return not self.config

  def check(self):
    super().check()
    if not self.text:
      raise UserError("--mode=find needs --text=TEXT.")

  def run(self, recipe, batch, log):
    found = [k for k, v in recipe.values.items() if self.text in str(v)]
    print(*found[: self.most], sep="\\n")
    return 0
'''
CONFIG = "--config=configs/classification/digits_cnn.py:tiny"


def test_a_mode_is_one_file(tmp_path):
  """In a checkout, where nothing else is touched."""
  ignore = shutil.ignore_patterns("__pycache__")
  ours = shutil.copytree(ROOT / "vision_jax", tmp_path / "vision_jax",
                         ignore=ignore)  # fmt: skip
  (tmp_path / "configs").symlink_to(ROOT / "configs")
  (ours / "command/modes/find.py").write_text(MODE)

  def run(*flags):
    command = [sys.executable, "-m", "vision_jax.main", "--mode=find", *flags]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
      command, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr

  code, out, err = run("--help")
  assert code == 0, err
  assert "--mode=find: Prints the names of the values" in out
  assert "--text:" in out and "--most:" in out and "--config.KEY=VALUE" in out
  assert "--init_from" not in out and "--num_samples" not in out
  code, out, err = run(CONFIG, "--text=digits")
  assert (code, out) == (0, "dataset\n"), err
  code, _, err = run(CONFIG)
  assert (code, err) == (2, "error: --mode=find needs --text=TEXT.\n")
