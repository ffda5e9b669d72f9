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
import sysconfig
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
INSIDE = ("configs", "third_party")  # of the package, once it is installed

# Required by tensorflow-datasets' array_record sources, but not imported here.
INDIRECT = {"array_record", "importlib_resources"}
# Imported only where the user has asked for them; extras declare them.
OPTIONAL = {
  **{"wandb": "wandb", "torch": "oracle", "pyarrow": "data"},
  "tokenizers": "text",
}

IMPORT_ALL = """
import importlib, pathlib, pkgutil, sys
import vision_jax
place = pathlib.Path(sys.argv[1]).resolve()
names = [m.name for m in pkgutil.walk_packages(vision_jax.__path__,
  "vision_jax.")]
assert len(names) > 100
for name in names:
  if not name.endswith("__main__"):
    file = importlib.import_module(name).__file__
    assert file is None or pathlib.Path(file).is_relative_to(place), file
assert "tensorflow" not in sys.modules
"""
# Where others have folders of our names, and a config of one of ours'.
ABROAD = """
import site, sys
sys.path.insert(0, sys.argv[1])  # before an editable copy that tests run from
site.addsitedir(sys.argv[1])
from vision_jax import main
for config in sys.argv[2:]:
  assert main.main(["--mode=show", f"--config={config}"]) == 0
from vision_jax.pipelines import extractors
extractors.digits_cnn("tiny")
"""
OURS = "configs/segmentation/folder_unet.py"
THEIRS = (
  "def get_config():\n  return {'steps': 1, 'batch_size': 2, 'own': 'theirs'}\n"
  "def build(config): ...\n"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  """Copies the sources, as a build leaves files beside them."""
  folder = tmp_path_factory.mktemp("source")
  ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "results")
  for name in ("vision_jax", "benchmarks", *INSIDE):
    shutil.copytree(ROOT / name, folder / name, ignore=ignore)
  for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
    shutil.copy(ROOT / name, folder)
  return folder


def build(source, how, folder):
  """Builds a wheel without network, as pip does, and unpacks it."""
  code = "import sys, setuptools.build_meta as b; getattr(b, sys.argv[1])(*"
  command = [sys.executable, "-c", f"{code}sys.argv[2:])", how, str(folder)]
  done = subprocess.run(command, cwd=source, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  (built,) = folder.glob("*.whl")
  with zipfile.ZipFile(built) as archive:
    archive.extractall(folder / "site")
  return built


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
  return build(source, "build_wheel", tmp_path_factory.mktemp("wheel"))


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


@pytest.mark.slow
def test_every_module_of_the_wheel_imports(wheel, tmp_path):
  site = wheel.parent / "site"
  environment = {**os.environ, "PYTHONPATH": str(site)}
  command = [sys.executable, "-c", IMPORT_ALL, str(site)]
  done = subprocess.run(
    command, cwd=tmp_path, env=environment, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr


def test_wheel_holds_the_package_alone_with_what_it_reads(wheel):
  with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
  tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
  assert tops == {"vision_jax"}
  configs = {str(p.relative_to(ROOT)) for p in ROOT.glob("configs/*/*.py")}
  inside = {name.removeprefix("vision_jax/") for name in names}
  assert len(configs) > 20 and configs <= inside
  assert "third_party/references/classification.jsonl" in inside
  assert any(n.endswith("LICENSE") for n in names)
  assert not any("__pycache__" in n for n in names)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["build_wheel", "build_editable", "checkout"])
def test_ours_are_found_where_others_have_such_folders(source, how, tmp_path):
  if how == "checkout":
    site, home = source, source
  else:
    build(source, how, tmp_path)
    site = tmp_path / "site"
    home = site / "vision_jax" if how == "build_wheel" else source
  abroad = tmp_path / "abroad"
  for name in ("configs", "benchmarks", "tests", "third_party"):
    (abroad / name).mkdir(parents=True)
    (abroad / name / "__init__.py").write_text("raise SystemExit(7)")
  theirs = abroad / "configs/classification/digits_cnn.py"
  theirs.parent.mkdir()
  theirs.write_text(THEIRS)
  packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
  environment = {**os.environ, "PYTHONPATH": os.pathsep.join(packages)}
  # Without the site's own .pth files, which may lead to another copy of ours.
  command = [sys.executable, "-S", "-c", ABROAD, str(site)]
  command += ["configs/classification/digits_cnn.py", f"{OURS}:tiny"]
  done = subprocess.run(
    command, cwd=abroad, env=environment, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  assert "own = 'theirs'" in done.stdout and f"# {OURS}:tiny" in done.stdout
  assert done.stderr == (
    f"--config: configs/classification/digits_cnn.py is {theirs}, of the "
    "working folder; the package's own is "
    f"{home / 'configs/classification/digits_cnn.py'}.\n"
  )


def imported_packages():
  """Top-level names of others that the installed code imports, with a file."""
  found = {}
  for package in ("vision_jax", "configs"):
    for file in (ROOT / package).rglob("*.py"):
      for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
          names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
          names = [node.module]
        found.update({name.split(".")[0]: file for name in names})
  return {
    name: file
    for name, file in found.items()
    if name != "vision_jax" and name not in sys.stdlib_module_names
  }


def test_what_is_imported_is_declared(metadata):
  owners = importlib.metadata.packages_distributions()
  declared = required(metadata)
  for name, file in imported_packages().items():
    if name in OPTIONAL:
      assert required(metadata, OPTIONAL[name]) & {name}
      continue
    owned = {requirement_name(owner) for owner in owners.get(name, [name])}
    assert owned & declared, f"{file} imports {name}, not declared in setup.py"


def test_what_is_declared_is_imported(metadata):
  owners = importlib.metadata.packages_distributions()
  used = {
    requirement_name(owner)
    for name in imported_packages()
    for owner in owners.get(name, [name])
  }
  indirect = {requirement_name(name) for name in INDIRECT}
  assert required(metadata) <= used | indirect


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
