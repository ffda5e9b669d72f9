"""Runs every command of the README.

A block of shell commands follows a line `<!-- run: NAME -->`; each line of it
is one command. They run as they are written, in an empty folder, those of
`benchmarks` in a copy of the checkout: relative paths such as `out/...` stay
relative. Only the words in capitals become data of this test, and lengths are
shortened (configs' tiny variants, one seed, small models). Data and
accelerators are hidden, so that the long benchmark suites answer `not run
here`.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.box_files import write_voc
from tests.interop.published_files import write_resnet18, write_vgg
from tests.programs.command import PATIENCE, free_port
from vision_jax import main
from vision_jax.viz.mp4 import Mp4

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- run: (\w+) -->\n```bash\n(.*?)```", re.DOTALL)
BLOCKS = {name: text.splitlines() for name, text in BLOCK.findall(README)}

QUICKSTART = "pip install -e . && python -m benchmarks.run --suite=quick"
TESTS = "pip install -e '.[test]' && pytest"
RUN = [name for name in BLOCKS if name != "tests"]  # that one runs this
# Minutes of training, of kinds that other tests train in this process.
SLOW = {"quickstart", "dense", "own", "generate", "speed"}
SLOW |= {"devices", "processes", "benchmarks", "weights", "plan", "override"}
SLOW |= {"translate", "style"}


def test_quickstart_and_tests_are_what_newcomers_and_ci_run():
  assert BLOCKS["quickstart"] == [QUICKSTART]
  assert BLOCKS["tests"] == [TESTS]


def test_every_shell_block_is_marked_and_so_is_run():
  fences = re.findall(r"^```(\w*)$", README, re.MULTILINE)
  opening = fences[::2]
  assert opening.count("bash") == len(BLOCKS)
  assert {*opening} == {"bash", "python", ""} and opening.count("") == 1


@pytest.mark.slow
def test_what_python_can_do_runs(data, place, monkeypatch):
  """All blocks one after another, as in a notebook; out/digits is trained."""
  notebook = README.split("## Add something")[0]  # whose files have a test
  blocks = re.findall(r"^```python\n(.*?)```", notebook, re.DOTALL | re.M)
  assert len(blocks) == 6
  monkeypatch.chdir(place)
  (train, *_) = BLOCKS["train"]
  (line,) = shortened(train, data)
  assert main.main(shlex.split(line)[3:]) == 0
  known = {}
  for block in blocks:
    exec(compile(block, "README.md", "exec"), known)
  metrics = known["outcome"].metrics
  assert (
    metrics["test/accuracy"] == known["trained"].evaluate()["test/accuracy"]
  )
  assert (place / "out/arrays/checkpoints/40").exists()
  assert metrics["test/accuracy"] > 0.5
  assert known["outputs"]["logits"].shape == (5, 10)
  assert np.isfinite(float(known["logs"]["loss"]))


def test_the_picture_of_the_house_is_the_house():
  (drawn,) = re.findall(r"^## The house\n\n```\n(.*?)```", README, re.M | re.S)
  top, own = drawn.split("configs/", 1)
  package = ROOT / "vision_jax"
  folders = {p.parent.name for p in package.rglob("__init__.py")}
  assert {*re.findall(r"(\w+)/", top)} == folders
  files = {p.name for p in package.glob("[!_]*.py")}
  assert {*re.findall(r"\w+\.py", top)} == files
  for folder in ["configs", *re.findall(r"^(\w+)/", own, re.MULTILINE)]:
    assert (ROOT / folder).is_dir(), folder


MODE = '''"""Greets."""

import dataclasses

from vision_jax.command.flags import option
from vision_jax.command.options import Configured


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Greets in so many words."""

  words: int = option(2, "How many.", low=1)

  def run(self, recipe, batch, log):
    print("hello " * self.words + str(recipe.config.steps))
    return 0
'''


def test_a_mode_is_one_file(place):
  shutil.copytree(
    ROOT / "vision_jax",
    place / "vision_jax",
    ignore=shutil.ignore_patterns("__pycache__"),
  )
  (place / "vision_jax/command/modes/greet.py").write_text(MODE)
  config = ROOT / "tests/programs/blobs.py"
  words = f"--mode=greet --words=3 --workdir=x --config={config}"
  line = f"PYTHONPATH=. {sys.executable} -m vision_jax.main"
  ((code, out), (_, help_text), (_, no)) = run_together(
    [f"{line} {words}", f"{line} --mode=greet --help", f"{line} --words=1"],
    place,
  )
  assert code == 0 and "hello hello hello 13" in out
  assert "Greets in so many words." in help_text and "--words" in help_text
  assert "--words is of --mode=greet; leave it out of --mode=train." in no


LAZY = """
import sys
import vision_jax
assert not {name.split(".")[0] for name in sys.modules} & {"jax", "numpy"}
assert callable(vision_jax.train.run) and callable(vision_jax.inference.load)
try:
  vision_jax.owls
except AttributeError as error:
  assert "owls" in str(error)
"""


def test_the_package_is_lazy():
  subprocess.run([sys.executable, "-c", LAZY], check=True, cwd=ROOT)


def test_every_file_named_exists():
  for name in re.findall(r"`((?:vision_jax|configs|tests)/[\w./]+)`", README):
    assert (ROOT / name).exists(), name
  for name in re.findall(r"--config=(configs/\S+\.py)", README):
    assert (ROOT / name).is_file(), name


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  """A folder with images, also by class, with masks, with boxes; a video."""
  root = tmp_path_factory.mktemp("data")
  splits = ("train", "val")
  folders = [f"folder/{split}/{name}" for split in splits for name in "ab"]
  rng = np.random.default_rng(0)
  for folder in ("images", *folders):
    (root / folder).mkdir(parents=True)
    for number, pixels in enumerate(rng.integers(0, 255, (9, 40, 30, 3))):
      image = Image.fromarray(pixels.astype(np.uint8))
      image.save(root / folder / f"{number}.png")
  (root / "masks").mkdir()
  for number, mask in enumerate(rng.integers(0, 3, (9, 40, 30))):
    image = Image.fromarray(mask.astype(np.uint8))
    image.save(root / "masks" / f"{number}.png")
  for split in ("train", "val"):
    for number in range(8):
      boxes = [("hen", 6, 4, 30, 20), ("ox", 0, 0, 60, 40)]
      name = f"{split}{number}"
      write_voc(root / "voc", boxes, name=name, split=split)
  video = Mp4(root / "clip.mp4", rate=10)
  for pixels in rng.integers(0, 255, (5, 40, 30, 3)):
    video.add(pixels.astype(np.uint8))
  video.close()
  return root


@pytest.fixture
def place(tmp_path):
  """An empty folder to work in, on a path with a space."""
  folder = tmp_path / "a place"
  folder.mkdir()
  return folder


def copy_checkout(place):
  """Fills a folder with what a clone of this repository holds."""
  kept = shutil.ignore_patterns("__pycache__", "out", ".*", "build", "*.egg*")
  shutil.copytree(ROOT, place, ignore=kept, dirs_exist_ok=True)


def shortened(command, data):
  """Returns the commands to start together, for one of the README's."""
  command = command.removeprefix("pip install -e . && ")
  command = re.sub(r"(--config=\S+\.py)(:\w+)?", r"\1:tiny", command)
  command = command.replace("IMAGES", str(data / "images"))
  command = command.replace("VIDEO", str(data / "clip.mp4"))
  command = command.replace("MASKS", f"{data}/masks --config.dataset=folder")
  own = "--config.dataset=folder --config.class_names="
  command = command.replace("VOC", f"{data}/voc {own}hen,ox")
  command = command.replace("FOLDER", f"{data}/folder {own}a,b")
  command = command.replace("PHOTOS", f"{data}/folder")
  command = command.replace("HOST:PORT", f"127.0.0.1:{free_port()}")
  command = command.replace("python -m", f"{sys.executable} -m")
  if "--suite=quick" in command:
    command += " --variant=tiny --seeds=1"
  if "folder_finetune" in command:  # its tiny variant has a net of its own
    command = command.replace(".py:tiny", ".py:cpu")
    command += " --config.steps=2 --config.preprocess.size=64,64"
  if "/translation/" in command:  # whose tiny variants bring their own images
    kind = "folders" if "cyclegan" in command else "folder"
    command += f" --config.dataset={kind}"
  command = command.replace("--devices=256", "--devices=2")
  if "--mode=stylize" in command:
    command += " --optimizer=adam --steps=1 --size=16"
  if "benchmarks.speed" in command:  # a real one takes minutes
    command = re.sub(r"--models=\S+", "--models=lenet5", command)
    command = re.sub(r"--batch_sizes=\S+", "--batch_sizes=4", command)
    command += " --turns=1 --rows=models"
  (count,) = re.findall(r"--num_processes=(\d+)", command) or ["1"]
  return [
    command.replace("--process_id=0", f"--process_id={i}")
    for i in range(int(count))
  ]


def run_together(lines, place):
  """Runs shell commands in a folder; returns (exit code, output) of each."""
  hidden = {"VISION_JAX_DATA", "VISION_JAX_WEIGHTS", "JAX_NUM_CPU_DEVICES"}
  environment = {k: v for k, v in os.environ.items() if k not in hidden}
  # As after `pip install -e .`, of the copy where there is one.
  root = place if (place / "vision_jax").exists() else ROOT
  environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(root)}
  children = [
    subprocess.Popen(
      ["bash", "-c", f"exec env {line}"],  # so that kill reaches the command
      cwd=place,
      env=environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for line in lines
  ]
  try:
    outputs = [child.communicate(timeout=PATIENCE)[0] for child in children]
  finally:
    for child in children:
      child.kill()
  return [(c.returncode, out) for c, out in zip(children, outputs, strict=True)]


@pytest.mark.parametrize(
  "name",
  [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name in RUN
  ],
)
def test_commands_of_the_readme_run(name, data, place):
  if any("-m benchmarks." in command for command in BLOCKS[name]):
    copy_checkout(place)
  if name == "weights":
    write_resnet18(place / "resnet18.safetensors")
  if name == "style":
    write_vgg(place / "vgg19.safetensors", 19)
  for command in BLOCKS[name]:
    results = run_together(shortened(command, data), place)
    shown = "\n".join(f"exit code {code}:\n{out}" for code, out in results)
    assert not any(code for code, _ in results), f"{command}\n{shown}"
    for folder in re.findall(r"=(out/\w+)(?![\w.])", command):
      assert any((place / folder).iterdir()), f"{command}: nothing in {folder}"
