"""Which models are compared, who else has them, and where they are not here.

Without jax and without torch: each is imported only where it is timed.
"""

import dataclasses
import importlib.util
import pathlib
import shutil
from collections.abc import Mapping

from vision_jax.errors import UserError

OURS = "vision_jax"
MODES = ("train", "infer")


@dataclasses.dataclass(frozen=True)
class Peer:
  """Somebody else who has models.

  Attributes:
    module: the module of this package that times them.
    needs: packages that have to be installed.
    modes: what of `MODES` it does.
    form: whose statement of a model it takes, where that is not its own.
    file: a file that its checkout has; "" for what is installed.
  """

  module: str
  needs: tuple[str, ...] = ()
  modes: tuple[str, ...] = MODES
  form: str = ""
  file: str = ""


PEERS = {
  "torch": Peer("torch_forms", ("torch",)),
  "torch.compile": Peer("torch_forms", ("torch",), form="torch"),
  "timm": Peer("torch_forms", ("torch", "timm")),
  "transformers": Peer("torch_forms", ("torch", "transformers")),
  "onnxruntime": Peer(
    "onnx", ("torch", "onnx", "onnxruntime"), ("infer",), "torch"
  ),
  "big_vision": Peer("checkouts", file="big_vision/models/vit.py"),
  "scenic": Peer("checkouts", file="scenic/projects/baselines/vit.py"),
}
INSTALLED = tuple(name for name, peer in PEERS.items() if not peer.file)


@dataclasses.dataclass(frozen=True)
class Compared:
  """A model of `vision_jax.models.listing` that others have, too.

  Attributes:
    forms: peer -> the model's name there.
    cpu, accelerator: examples in a batch, where none are asked for.
    tiny: side of tiny images.
    width, heads: of a ViT of 12 blocks with patches of 16; 0 for other nets.
    fewer: peer -> how many parameters less its form is known to have.
  """

  forms: Mapping[str, str]
  cpu: int
  accelerator: int
  tiny: int = 32
  width: int = 0
  heads: int = 0
  fewer: Mapping[str, int] = dataclasses.field(default_factory=dict)


def _vit(size: str, width: int, heads: int, timm: str) -> Compared:
  forms = {
    "torch": f"vit_{size.lower()}16",
    "timm": f"vit_{timm}_patch16_224",
    "transformers": "ViT",
    "big_vision": f"{size}/16",
    "scenic": "ViT",
  }
  # big_vision adds the class token after the positions: it has none.
  fewer = {"big_vision": width}
  return Compared(forms, 8, 256, width=width, heads=heads, fewer=fewer)


def _resnet(depth: int, *more: str) -> Compared:
  forms = dict.fromkeys(("torch", "timm", *more), f"resnet{depth}")
  return Compared(forms, 8, 256)


MODELS = {
  "resnet18": _resnet(18),  # scenic's has more projections than the paper's
  "resnet50": _resnet(50, "transformers", "scenic"),
  "resnet101": _resnet(101, "scenic"),
  "vit_ti16": _vit("Ti", 192, 3, "tiny"),
  "vit_s16": _vit("S", 384, 6, "small"),
  "vit_b16": _vit("B", 768, 12, "base"),
  "resnet20": Compared({"torch": "resnet20"}, 64, 1024),
  "unet": Compared({"torch": "unet"}, 1, 8, tiny=188),
}


@dataclasses.dataclass(frozen=True)
class Case:
  """What all time alike.

  Attributes:
    model: its name in `MODELS`.
    mode: "train" or "infer".
    batch_size: examples in a batch.
    image_size: side of the images in pixels.
    dtype: type to compute in.
    parameters: how many ours has.
  """

  model: str
  mode: str
  batch_size: int
  image_size: int
  dtype: str
  parameters: int

  @property
  def name(self) -> str:
    """What its measurements are kept under."""
    place = f"b{self.batch_size}/{self.image_size}px/{self.dtype}"
    return f"{self.model}/{self.mode}/{place}"


def form_of(peer: str, model: str) -> str | None:
  """Returns what a model is called there, None where there is none."""
  return MODELS[model].forms.get(PEERS[peer].form or peer)


def why_not(peer: str, case: Case, platform: str) -> str:
  """Says why a peer cannot be timed here; "" where it can."""
  if why := missing(peer):
    return why
  if form_of(peer, case.model) is None:
    return f"it has no {case.model} of the same form"
  if case.mode not in PEERS[peer].modes:
    return "it does not train"
  if peer == "torch.compile" and platform == "cpu" and not shutil.which("g++"):
    return "it compiles for a CPU by g++, which is not installed"
  return ""


def missing(peer: str) -> str:
  """Says which of a peer's packages is not installed; "" for none."""
  for package in PEERS[peer].needs:
    if importlib.util.find_spec(package) is None:
      return f"{package} is not installed"
  return ""


def check_checkout(peer: str, path: str) -> None:
  """Refuses a folder that is no checkout of a peer.

  Raises:
    UserError: naming the file that it does not have.
  """
  file = PEERS[peer].file
  if not (pathlib.Path(path) / file).is_file():
    raise UserError(
      f"--{peer}: got {path!r}, which has no {file}; expected the folder of a "
      f"checkout of https://github.com/google-research/{peer}."
    )


def check_parameters(
  peer: str, model: str, found: int, parameters: int
) -> dict[str, int]:
  """Refuses a form that is another net than ours; returns what it has.

  Raises:
    UserError: if there are more or fewer than ours has, or than are known to.
  """
  expected = parameters - MODELS[model].fewer.get(peer, 0)
  if found != expected:
    raise UserError(
      f"{model} of {peer} has {found:,} parameters; expected {expected:,}: it "
      "is another net than ours, and their times do not compare."
    )
  return {"own_parameters": found}
