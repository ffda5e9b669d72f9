"""The same nets by torch: eager, compiled, of timm and of transformers.

In a process of its own, in which jax is never imported. Convolutional nets are
channels last; bfloat16 is autocast's in training, and the weights' in
inference; float32 products of a card may be TF32, as XLA's are.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.accelerator.states import NotHere
from benchmarks.accelerator.torch_steps import (
  BLOCK,
  WARM,
  blocks,
  library,
  make_step,
  memory,
  wait,
)
from benchmarks.compare.models import MODELS, check_parameters, form_of
from vision_jax.provenance.machine import process_peak_bytes


def measure(
  name: str,
  *,
  model: str,
  mode: str,
  batch_size: int,
  image_size: int,
  dtype: str,
  parameters: int,
  seconds: float,
  started: float,
  platform: str,
  **_: Any,
) -> dict[str, Any]:
  """Returns a turn of a peer that is written in torch.

  Raises:
    NotHere: without its packages, or where torch has no such device.
    UserError: if it has other parameters than ours.
  """
  torch = library("torch")
  device = device_of(torch, platform)
  torch.manual_seed(0)
  if device == "cuda":
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
  net = make(name, model, image_size).to(device)
  own = check_parameters(name, model, size_of(net), parameters)
  x = torch.randn(batch_size, *channels(model, image_size), device=device)
  if not MODELS[model].width:
    net = net.to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
  call = torch.compile(net) if name == "torch.compile" else net
  build = {"train": _training, "infer": _inference}[mode]
  step = build(torch, device, net, call, x, dtype)
  found = timed(torch, device, step, seconds, started)
  first = found.pop("first_call_s") - found["step_ms"] / 1e3
  assert "jax" not in sys.modules, "torch shares its process with jax"
  compiling = {"compile_s": first if name == "torch.compile" else None}
  peak = {"peak_bytes": process_peak_bytes(), **memory(torch, device)}
  return own | found | compiling | peak


def device_of(torch: Any, platform: str) -> str:
  """Returns torch's name of the device that jax runs on.

  Raises:
    NotHere: if torch has none of the kind.
  """
  if platform == "cpu":
    return "cpu"
  if platform == "gpu" and torch.cuda.is_available():
    return "cuda"
  raise NotHere(f"torch finds no {platform.upper()}; install its build for one")


def make(peer: str, model: str, side: int) -> Any:
  """Returns a peer's form of a model, for images of this side.

  Raises:
    NotHere: if what it imports does not run here.
  """
  form, known = form_of(peer, model), MODELS[model]
  if peer == "timm":
    size = {"img_size": side} if known.width else {}
    return library("timm").create_model(form, num_classes=1000, **size)
  if peer == "transformers":
    try:  # which imports the model's module
      return _of_transformers(form, known.width, known.heads, side)
    except ImportError as error:  # as of a torchvision for another torch
      raise NotHere(f"transformers: {error}") from error
  from benchmarks.compare import torch_nets

  return torch_nets.make(model, side)


def _of_transformers(form: str, width: int, heads: int, side: int) -> Any:
  transformers = library("transformers")
  if form == "ViT":
    config = transformers.ViTConfig(
      hidden_size=width,
      num_attention_heads=heads,
      intermediate_size=4 * width,
      image_size=side,
      num_labels=1000,
    )
    return transformers.ViTForImageClassification(config)
  config = transformers.ResNetConfig(num_labels=1000)  # of 50 layers
  return transformers.ResNetForImageClassification(config)


def channels(model: str, side: int) -> tuple[int, int, int]:
  """Returns the shape of a model's images, channels first."""
  return (1 if model == "unet" else 3, side, side)


def size_of(net: Any) -> int:
  """Returns a net's number of parameters."""
  return sum(x.numel() for x in net.parameters())


def _training(torch, device, net, call, x, dtype) -> Callable[[], None]:
  """Cross-entropy and SGD with momentum, as of our step."""
  places = () if x.shape[1] == 3 else x.shape[2:]
  y = torch.randint(0, 2, (len(x), *places), device=device)
  net.train()
  optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9, fused=True)

  def loss():
    logits = logits_of(call(x))
    if places:  # the net's are fewer
      h, w = logits.shape[2:]
      return torch.nn.functional.cross_entropy(logits, y[:, :h, :w])
    return torch.nn.functional.cross_entropy(logits, y)

  return make_step(torch, device, optimizer, loss, dtype)


def _inference(torch, device, net, call, x, dtype) -> Callable[[], None]:
  del device
  net.eval().to(getattr(torch, dtype))
  x = x.to(getattr(torch, dtype))

  def step():
    with torch.inference_mode():
      logits_of(call(x))

  return step


def logits_of(out: Any) -> Any:
  """Returns the logits, which transformers has in an object."""
  return getattr(out, "logits", out)


def timed(
  torch: Any,
  device: str,
  step: Callable[[], Any],
  seconds: float,
  started: float,
) -> dict[str, Any]:
  """Returns the milliseconds of a step's blocks, and what came before them.

  Args:
    torch: the library; None for a step on the CPU.
    device: "cpu" or "cuda".
    step: the step.
    seconds: how long to time it, after a few that do not count.
    started: time.time() at which this process was started: `first_s` is when
      the first step ended after that.
  """
  begin = time.perf_counter()
  step()
  wait(torch, device)
  call, first = time.perf_counter() - begin, time.time() - started
  (warm,) = blocks(torch, device, step, WARM, 0)
  size = min(BLOCK, max(2, round(seconds / warm)))
  found = blocks(torch, device, step, size, seconds)
  return {
    "step_ms": 1e3 * statistics.median(found),
    "blocks_ms": [1e3 * x for x in found],
    "first_s": first,
    "first_call_s": call,
  }
