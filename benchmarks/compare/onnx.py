"""Inference by onnxruntime, of torch's statement of the net.

A process of its own writes the file, so that neither jax nor torch is in the
one that is timed.
"""

import concurrent.futures
import multiprocessing
import pathlib
import tempfile
import time
from typing import Any

import numpy as np

from benchmarks.accelerator.states import NotHere
from benchmarks.accelerator.torch_steps import library
from benchmarks.compare import torch_forms
from benchmarks.compare.models import check_parameters
from vision_jax.provenance.machine import process_peak_bytes


def measure(
  name: str,
  *,
  model: str,
  batch_size: int,
  image_size: int,
  dtype: str,
  parameters: int,
  seconds: float,
  started: float,
  platform: str,
  **_: Any,
) -> dict[str, Any]:
  """Returns a turn of onnxruntime; writing the file does not count.

  Raises:
    NotHere: on an accelerator, or in another type than float32.
    UserError: if the net has other parameters than ours.
  """
  if platform != "cpu" or dtype != "float32":
    raise NotHere("onnxruntime is timed on a CPU, in float32")
  runtime = library("onnxruntime")
  shape = (batch_size, *torch_forms.channels(model, image_size))
  with tempfile.TemporaryDirectory() as folder:
    file, begin = str(pathlib.Path(folder) / "net.onnx"), time.time()
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
      count = pool.submit(write, name, model, shape, file).result()
    written = time.time() - begin
    own = check_parameters(name, model, count, parameters)
    begin = time.perf_counter()
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    loaded = time.perf_counter() - begin
  image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  found = torch_forms.timed(
    *(None, "cpu", lambda: session.run(None, {"image": image})),
    *(seconds, started + written),
  )
  del found["first_call_s"]
  peak = process_peak_bytes()
  return own | found | {"compile_s": loaded, "peak_bytes": peak}


def write(name: str, model: str, shape: tuple[int, ...], file: str) -> int:
  """Writes torch's statement of a model; returns its number of parameters."""
  torch = library("torch")
  net = torch_forms.make(name, model, shape[-1]).eval()
  # The other exporter needs onnxscript.
  names = {"input_names": ["image"], "output_names": ["logits"]}
  torch.onnx.export(net, (torch.zeros(shape),), file, dynamo=False, **names)
  return torch_forms.size_of(net)
