"""The same steps by torch: compiled, bf16, channels last.

In a process of its own, in which jax is never imported, so that both never
share the card's memory.
"""

import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.accelerator.states import NotHere
from benchmarks.accelerator.torchvision_operators import declare

BLOCK, WARM = 20, 3  # as of `benchmarks.speed.timing`, which imports jax
IMAGE = 224
ABOVE = ("timm", "torchvision", "transformers")  # import torchvision


def measure(name: str, *, size: str, **_: Any) -> dict[str, Any]:
  """Returns images/s of a model's step, and its peak of memory.

  Raises:
    NotHere: without torch, its library of models, or a card.
  """
  tiny = size == "tiny"
  torch = library("torch")
  if not tiny and not torch.cuda.is_available():
    raise NotHere("torch finds no GPU; install its build for this card's CUDA")
  device = "cuda" if torch.cuda.is_available() else "cpu"
  torch.manual_seed(0)
  model, batch, loss = MODELS[name](torch, device)
  model = model.to(device).train()
  if name in _CHANNELS_LAST:
    model = model.to(memory_format=torch.channels_last)
  compiled = model if tiny else torch.compile(model)
  optimizer = torch.optim.AdamW(
    model.parameters(), 1e-4, fused=device == "cuda"
  )
  step = make_step(torch, device, optimizer, lambda: loss(compiled))
  start = time.perf_counter()
  for _ in range(WARM):
    step()
  wait(torch, device)
  warm = time.perf_counter() - start
  seconds = blocks(
    torch, device, step, 2 if tiny else BLOCK, 0.1 if tiny else 5
  )
  p50 = statistics.median(seconds)
  return {
    "batch_size": batch,
    "images_per_s": batch / p50,
    "step_p50_ms": 1e3 * p50,
    "warm_s": warm,
    "torch": torch.__version__,
    "compiled": not tiny,
    **memory(torch, device),
  }


def library(name: str) -> Any:
  """Imports a package.

  Raises:
    NotHere: if it is not installed, or not for this torch.
  """
  try:
    if name in ABOVE and importlib.util.find_spec("torchvision"):
      declare()  # what they import of it, some of it when it is asked for
    return importlib.import_module(name)
  except ImportError as error:
    raise NotHere(f"{name} is not installed ({error})") from error
  except RuntimeError as error:
    raise NotHere(f"{name} does not run with this torch: {error}") from error


def make_step(
  torch: Any,
  device: str,
  optimizer: Any,
  loss: Callable[[], Any],
  dtype: str = "bfloat16",
) -> Callable[[], None]:
  """Returns a training step; bfloat16 is that of autocast."""
  mixed = dtype == "bfloat16"

  def step():
    with torch.autocast(device, torch.bfloat16, enabled=mixed):
      value = loss()
    value.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)

  return step


def blocks(
  torch: Any,
  device: str,
  step: Callable[[], Any],
  block: int,
  seconds: float,
) -> list[float]:
  """Seconds a step, one number a block, for so long and at least one."""
  found, begin = [], time.perf_counter()
  while not found or time.perf_counter() - begin < seconds:
    start = time.perf_counter()
    for _ in range(block):
      step()
    wait(torch, device)
    found.append((time.perf_counter() - start) / block)
  return found


def memory(torch: Any, device: str) -> dict[str, int]:
  """Returns the peak of a card's memory, where there is one."""
  if device != "cuda":
    return {}
  return {"peak_bytes": torch.cuda.max_memory_allocated()}


def wait(torch: Any, device: str) -> None:
  """Waits for a card to finish what it was given."""
  if device == "cuda":
    torch.cuda.synchronize()


def _classifier(name: str, batch: int):
  """A model of timm with a thousand classes."""

  def make(torch, device):
    model = library("timm").create_model(name, num_classes=1000)
    x = torch.randn(batch, 3, IMAGE, IMAGE, device=device)
    if name.startswith("resnet"):
      x = x.to(memory_format=torch.channels_last)
    y = torch.randint(0, 1000, (batch,), device=device)
    loss = torch.nn.functional.cross_entropy
    return model, batch, lambda net: loss(net(x), y)

  return make


def _ddpm(torch, device):
  """DDPM's U-Net for CIFAR-10, as diffusers has it."""
  diffusers, batch = library("diffusers"), 128
  model = diffusers.UNet2DModel(
    sample_size=32,
    in_channels=3,
    out_channels=3,
    layers_per_block=2,
    block_out_channels=(128, 256, 256, 256),
    down_block_types=("DownBlock2D", "AttnDownBlock2D", *["DownBlock2D"] * 2),
    up_block_types=(*["UpBlock2D"] * 2, "AttnUpBlock2D", "UpBlock2D"),
    dropout=0.1,
    downsample_padding=0,
    flip_sin_to_cos=False,
    freq_shift=1,
    norm_eps=1e-6,
  )
  x, noise = torch.randn(2, batch, 3, 32, 32, device=device)
  times = torch.randint(0, 1000, (batch,), device=device)
  loss = torch.nn.functional.mse_loss
  return model, batch, lambda net: loss(net(x, times).sample, noise)


def _detr(batch: int, image: int, *, small: bool = False):
  """DETR of transformers, with its matching and losses."""

  def make(torch, device):
    transformers = library("transformers")
    body, head = {}, {}
    if small:
      body = {"embedding_size": 8, "hidden_sizes": [8, 8, 8, 8]}
      body |= {"depths": [1, 1, 1, 1], "layer_type": "basic"}
      head = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
      head |= {"encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 5}
      head |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.DetrConfig(
      use_timm_backbone=False,
      use_pretrained_backbone=False,
      backbone=None,
      backbone_config=transformers.ResNetConfig(
        out_features=["stage4"], **body
      ),
      num_labels=80,
      **({"auxiliary_loss": True} | head),
    )
    try:
      model = transformers.DetrForObjectDetection(config)
    except ImportError as error:  # as of a torchvision for another torch
      raise NotHere(f"DETR of transformers: {error}") from error
    x = torch.randn(batch, 3, image, image, device=device)
    labels = [_boxes(torch, device, 7) for _ in range(batch)]
    return model, batch, lambda net: net(pixel_values=x, labels=labels).loss

  return make


def _boxes(torch, device, number):
  centre = torch.rand(number, 2, device=device) * 0.4 + 0.3
  side = torch.rand(number, 2, device=device) * 0.4 + 0.05
  return {
    "class_labels": torch.randint(0, 80, (number,), device=device),
    "boxes": torch.cat([centre, side], -1),
  }


MODELS = {
  "torch_resnet50_b256": _classifier("resnet50", 256),
  "torch_vit_s16_b256": _classifier("vit_small_patch16_224", 256),
  "torch_vit_b16_b256": _classifier("vit_base_patch16_224", 256),
  "torch_ddpm_b128": _ddpm,
  "torch_detr_r50_b8": _detr(8, 1024),
  "torch_detr_tiny": _detr(1, 64, small=True),
}
_CHANNELS_LAST = ("torch_resnet50_b256", "torch_ddpm_b128", "torch_detr_r50_b8")
