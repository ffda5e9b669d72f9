"""What is measured, in which order: the most telling first."""

import dataclasses

from benchmarks import environment
from benchmarks.accelerator.cases import PEERS, STEPS, TINY, TRACED

# stage -> seconds that it takes.
SIZES = {
  "full": {
    "smoke": 240,
    "pairs": 360,
    "steps": 540,
    "trace": 120,
    "input": 240,
  },
  "tiny": dict.fromkeys(("smoke", "pairs", "steps", "trace", "input"), 150),
}
STAGES = tuple(SIZES["full"])

CHECKS = (
  *("versions", "convolution_3x3", "convolution_1x1"),
  *("attention_196x64", "attention_1500x48", "attention_masked_1024x32"),
  *("tf32", "bias_gradient"),
)
OPERATIONS = (
  *("transposed", "transposed_4x4", "pool_shifts", "pool_blocks", "patches"),
  *("matching", "levels", "histogram", "conv_1x1", "dense_gradient"),
  *("small_maps", "few_images", "dense_gradient_float32", "gelu"),
  "layer_norm",
  *("grouped", "depthwise", "depthwise_7x7", "conv_3d", "nested"),
)
TRANSFERS = ("transfer_float32", "transfer_uint8")


@dataclasses.dataclass(frozen=True)
class Group:
  """What one process measures.

  Attributes:
    module: a module of this package, whose `measure` is called.
    names: the measurements, in order.
    limit: seconds that it may take, besides what is left of its stage.
  """

  module: str
  names: tuple[str, ...]
  limit: float = 600.0


def groups(stage: str, size: str) -> list[Group]:
  """Returns what a stage measures."""
  return {
    "smoke": _smoke,
    "pairs": _pairs,
    "steps": _steps,
    "trace": _trace,
    "input": _input,
  }[stage](size == "tiny")


def _smoke(tiny):
  few = ("classification/digits_cnn", "generation/digits_vae")
  return [
    Group("smoke", CHECKS, 120),
    Group("first_losses", few if tiny else config_names()),
  ]


def _pairs(tiny):
  del tiny
  return [Group("transfer", TRANSFERS, 60), Group("pairs", OPERATIONS)]


def _steps(tiny):
  """Each in a process of its own: memory is counted apart."""
  ours = lambda name: Group("whole_steps", (name,), 120)
  peer = lambda name: Group("torch_steps", (name,), 120)
  if tiny:
    return [*map(ours, TINY), peer("torch_detr_tiny")]
  found = []
  peers = {name: theirs for theirs, name in PEERS.items()}
  for name in STEPS:
    found.append(ours(name))
    found += [peer(peers[name])] if name in peers else []
  return found


def _trace(tiny):
  names = ("digits_gan",) if tiny else TRACED
  return [Group("traces", (name,), 90) for name in names]


def _input(tiny):
  threads = (1, 2) if tiny else (1, 4, 8, 16)
  jpeg = tuple(f"jpeg_{n}_threads" for n in threads)
  return [Group("inputs", jpeg, 120), Group("recipes", ("cifar10_fast",))]


def config_names() -> tuple[str, ...]:
  """Returns FOLDER/NAME of every config, the folders in turns."""
  folders: dict[str, list[str]] = {}
  for file in sorted((environment.ROOT / "configs").glob("*/[!_]*.py")):
    folders.setdefault(file.parent.name, []).append(file.stem)
  turns = [
    (number, f"{folder}/{name}")
    for folder, names in folders.items()
    for number, name in enumerate(names)
  ]
  return tuple(name for _, name in sorted(turns))
