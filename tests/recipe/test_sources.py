"""Which of our files a config is made of."""

import ast
import hashlib
import time

import pytest

from tests.programs.command import ROOT
from vision_jax.recipe.sources import digest, imported, sources

CONFIG = ROOT / "configs/generation/digits_gan.py"
OURS = {*(ROOT / "vision_jax").rglob("*.py")}


def parsed(text):
  """Returns the files of ours that a text imports, by Python's parser."""
  names = set()
  for node in ast.walk(ast.parse(text)):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      names |= {f"{node.module}.{alias.name}" for alias in node.names}
      names.add(node.module)
  found = set()
  for name in names:
    words = name.split(".")
    for end in range(1, len(words) + 1):
      place = ROOT.joinpath(*words[:end])
      files = (place.with_suffix(".py"), place / "__init__.py")
      found |= {file for file in files if file in OURS}
  return found


def test_imports_are_found_as_python_finds_them():
  files = [*OURS, *ROOT.glob("configs/*/*.py")]
  assert len(files) > 150
  for file in files:
    text = file.read_text()
    assert imported(text) == parsed(text), file


@pytest.mark.parametrize(
  ("text", "names"),
  [
    ("from vision_jax.core import (\n  mesh,  # places\n  seeds as s,\n)",
     {"core/__init__", "core/mesh", "core/seeds"}),
    ("def f():\n  import vision_jax.layers.norm as n, os",
     {"layers/__init__", "layers/norm"}),
    ("import vision_jax\nvision_jax.optim.muon.make()",
     {"optim/__init__", "optim/muon"}),
    ("from vision_jax.core.state import TrainState",
     {"core/__init__", "core/state"}),
    ("x = 'vision_jax.core.mesh'\nimport vision_jaxes", None),
  ],
)  # fmt: skip
def test_forms_of_imports(text, names):
  found = {str(f.relative_to(ROOT / "vision_jax")) for f in imported(text)}
  more = set() if names is None else {"__init__", *names}
  assert found == {f"{name}.py" for name in more}


def test_a_config_is_made_of_what_it_imports_and_that_imports():
  found = sources("configs/x.py", CONFIG.read_text())
  name = next(n for n in found if n.endswith("/gan.py") and "/models/" in n)
  assert found[name] == hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
  assert found["configs/x.py"] == (
    hashlib.sha256(CONFIG.read_bytes()).hexdigest()
  )
  assert "vision_jax/core/state.py" in found  # not imported by itself
  assert "configs/classification/digits_cnn.py" in found  # its metrics' net
  assert not any("detection" in name for name in found)
  assert not any(name.startswith("vision_jax/command/") for name in found)
  more = sources("x", CONFIG.read_text(), ["vision_jax.command.modes.train"])
  assert "vision_jax/command/modes/train.py" in more
  assert digest(found) != digest(more)


def test_a_hash_follows_the_text_and_costs_little():
  text = CONFIG.read_text()
  began = time.process_time()
  before = sources("x", text)
  assert time.process_time() - began < 0.5  # about 0.04 s
  assert digest(sources("x", text)) == digest(before)
  assert digest(sources("x", text + " ")) != digest(before)
