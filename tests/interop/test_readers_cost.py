"""What opening and reading costs: seconds, and memory above jax's own."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.oracles import library, torchvision

# Tensors, and numbers in each: as large as ResNet-50 and ViT-B/16.
SIZES = {"resnet50": (64, 400_000), "vit_b16": (150, 577_000)}
SECONDS = 10
TIMES = 3  # the file's size, in memory

PROGRAM = """
import json, re, sys, time
import jax
jax.devices()
from vision_jax.interop import files, leaves
status = lambda: open("/proc/self/status").read()
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", status())[1]) * 1024
before, start = peak(), time.perf_counter()
variables = leaves.read(files.open_tensors(sys.argv[1]).tensors)
jax.block_until_ready(variables)
numbers = sum(x.size for x in jax.tree.leaves(variables))
result = time.perf_counter() - start, peak() - before, numbers
print(json.dumps(result))
"""


# LLVM when it compiles a first program, and the buffers of a checkpoint that is
# written: of no file's size.
COMPILER = 96 * 2**20
IMPORT = """
import json, re, sys, time
import jax
jax.devices()
from vision_jax import main
status = lambda: open("/proc/self/status").read()
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", status())[1]) * 1024
before, start = peak(), time.process_time()
code = main.main(sys.argv[1:])
print(json.dumps((code, time.process_time() - start, peak() - before)))
"""


def run(program, *arguments):
  """Runs a program in a process of its own; returns what it prints last."""
  command = [sys.executable, "-c", program, *map(str, arguments)]
  done = subprocess.run(command, capture_output=True, text=True, check=True)
  return json.loads(done.stdout.splitlines()[-1])


def write(path, arrays):
  if path.suffix == ".safetensors":
    from safetensors.numpy import save_file

    save_file(arrays, path)
  elif path.suffix == ".npz":
    np.savez(path, **arrays)
  elif path.suffix == ".h5":
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
      for name, x in arrays.items():
        file[name] = x
  else:
    torch = library("torch")
    old = {"_use_new_zipfile_serialization": path.suffix == ".pth"}
    torch.save({n: torch.from_numpy(x) for n, x in arrays.items()}, path, **old)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
  "suffix", [".safetensors", ".pth", ".th", ".npz", ".h5"]
)
@pytest.mark.parametrize("name", SIZES)
def test_reading_is_quick_and_small(tmp_path, name, suffix):
  number, size = SIZES[name]
  rng = np.random.default_rng(0)
  path = tmp_path / f"a{suffix}"
  write(
    path,
    {
      f"x{i}.weight": rng.random(size, np.float32).reshape(-1, 100)
      for i in range(number)
    },
  )
  seconds, memory, numbers = run(PROGRAM, path)
  total = path.stat().st_size
  path.unlink()
  print(f"{name}{suffix}: {seconds:.2f} s, {memory / total:.2f} times the file")
  assert numbers == number * size
  assert seconds < SECONDS and memory < TIMES * total


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["resnet50", "vit_b_16"])
def test_an_import_is_quick_and_small(tmp_path, name):
  """Its seconds are those of processors: a busy machine takes longer."""
  file = tmp_path / f"{name}.pth"
  net = getattr(torchvision().models, name)()
  library("torch").save(net.state_dict(), file)
  code, seconds, memory = run(
    IMPORT,
    "--mode=import",
    f"--source=torchvision:{name}",
    f"--file={file}",
    f"--output={tmp_path / 'w'}",
  )
  total = file.stat().st_size
  shutil.rmtree(tmp_path)
  print(f"{name}: {seconds:.1f} s, {memory / total:.2f} times the file")
  assert code == 0 and seconds < SECONDS
  assert memory < TIMES * total + COMPILER
