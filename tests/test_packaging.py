"""What is installed: an offline wheel, and honest requirements."""

import ast
import email
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ("vision_jax", "configs", "benchmarks")

# Required by tensorflow-datasets' array_record sources, but not imported here.
INDIRECT = {"array_record", "importlib_resources"}
# Imported only where the user has asked for them; extras declare them.
OPTIONAL = {"wandb": "wandb", "torch": "oracle"}

IMPORT_ALL = """
import importlib, pathlib, pkgutil, sys
place = pathlib.Path(sys.argv[1]).resolve()
for top in sys.argv[2:]:
  package = importlib.import_module(top)
  names = [m.name for m in pkgutil.walk_packages(package.__path__, top + ".")]
  assert names, top
  for name in names:
    if name.endswith("__main__"):
      continue
    file = importlib.import_module(name).__file__
    assert file is None or pathlib.Path(file).is_relative_to(place), file
assert "tensorflow" not in sys.modules
from benchmarks import references
assert references.load()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
  """Builds the wheel without network, from a copy of the sources."""
  folder = tmp_path_factory.mktemp("wheel")
  source = folder / "source"
  source.mkdir()
  ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
  for name in (*PACKAGES, "third_party"):
    shutil.copytree(ROOT / name, source / name, ignore=ignore)
  for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
    shutil.copy(ROOT / name, source)
  command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index"]
  command += ["--no-build-isolation", "--no-deps", "-w", str(folder), "."]
  done = subprocess.run(command, cwd=source, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  (built,) = folder.glob("*.whl")
  return built


@pytest.fixture(scope="module")
def metadata(wheel):
  with zipfile.ZipFile(wheel) as archive:
    (name,) = [n for n in archive.namelist() if n.endswith("/METADATA")]
    return email.message_from_bytes(archive.read(name))


def requirement_name(line):
  name = re.match(r"[A-Za-z0-9._-]+", line).group(0)
  return re.sub(r"[-_.]+", "-", name).lower()


def required(metadata, extra=""):
  lines = metadata.get_all("Requires-Dist")
  mark = f"extra == '{extra}'"
  return {
    requirement_name(line)
    for line in (line.replace('"', "'") for line in lines)
    if (mark in line if extra else "extra ==" not in line)
  }


@pytest.mark.timeout(180)
@pytest.mark.xdist_group("wheel")
def test_every_module_of_the_wheel_imports(wheel, tmp_path):
  with zipfile.ZipFile(wheel) as archive:
    archive.extractall(tmp_path)
  environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
  command = [sys.executable, "-c", IMPORT_ALL, str(tmp_path), *PACKAGES]
  done = subprocess.run(
    command, cwd=tmp_path, env=environment, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr


@pytest.mark.xdist_group("wheel")
def test_wheel_holds_data_and_licence_and_no_tests(wheel):
  with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
  tops = {name.split("/")[0] for name in names}
  assert {name for name in tops if not name.endswith(".dist-info")} == {
    *PACKAGES,
    "third_party",
  }
  assert any(re.match(r"third_party/references/.+\.jsonl", n) for n in names)
  assert any(n.endswith("LICENSE") for n in names)
  assert not any("__pycache__" in n for n in names)


def imported_packages():
  """Top-level names of others that the installed code imports, with a file."""
  found = {}
  for package in PACKAGES:
    for file in (ROOT / package).rglob("*.py"):
      for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
          names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
          names = [node.module]
        found.update({name.split(".")[0]: file for name in names})
  ours = {*PACKAGES, "third_party", "vision_jax"}
  return {
    name: file
    for name, file in found.items()
    if name not in ours and name not in sys.stdlib_module_names
  }


@pytest.mark.xdist_group("wheel")
def test_what_is_imported_is_declared(metadata):
  owners = importlib.metadata.packages_distributions()
  declared = required(metadata)
  for name, file in imported_packages().items():
    if name in OPTIONAL:
      assert required(metadata, OPTIONAL[name]) & {name}
      continue
    owned = {requirement_name(owner) for owner in owners.get(name, [name])}
    assert owned & declared, f"{file} imports {name}, not declared in setup.py"


@pytest.mark.xdist_group("wheel")
def test_what_is_declared_is_imported(metadata):
  owners = importlib.metadata.packages_distributions()
  used = {
    requirement_name(owner)
    for name in imported_packages()
    for owner in owners.get(name, [name])
  }
  indirect = {requirement_name(name) for name in INDIRECT}
  assert required(metadata) <= used | indirect


@pytest.mark.xdist_group("wheel")
def test_bounds_admit_what_the_tests_run_on(metadata):
  for line in metadata.get_all("Requires-Dist"):
    if "extra ==" in line:
      continue
    installed = version(importlib.metadata.version(requirement_name(line)))
    for operator, bound in re.findall(r"(>=|<)([0-9.]+)", line):
      inside = installed >= version(bound)
      assert inside == (operator == ">="), f"{line}: {installed} installed"


def version(text):
  return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def test_no_tensorflow_is_required(metadata):
  assert "tensorflow" not in required(metadata)
