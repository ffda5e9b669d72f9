"""Lowers programs for accelerators that this machine does not have."""

import contextlib
from unittest import mock

import jax

# JAX has no public way to lower cuDNN's attention where cuDNN is absent.
from jax._src.cudnn import fused_attention_stablehlo as cudnn

from vision_jax.layers import attention


@contextlib.contextmanager
def pretend(backend):
  """While it lasts, what asks for the backend is told "gpu" or "tpu"."""
  with contextlib.ExitStack() as stack:
    patch = lambda place, name, value: stack.enter_context(
      mock.patch.object(place, name, value)
    )
    patch(jax, "default_backend", lambda: backend)
    patch(attention, "is_cuda", lambda: backend == "gpu")
    patch(cudnn, "check_cudnn_version", lambda: 91900)
    patch(cudnn, "check_compute_capability", lambda *_: True)
    yield


def lowered(backend, fn, *args):
  """Returns the text of fn(*args), lowered for "gpu" or "tpu".

  Args:
    backend: where.
    fn: a function that is not compiled yet.
    args: arrays, or their shapes.
  """
  platform = {"gpu": "cuda", "tpu": "tpu"}[backend]
  with pretend(backend):
    traced = jax.jit(lambda *a: fn(*a)).trace(*args)
    return traced.lower(lowering_platforms=(platform,)).as_text()
