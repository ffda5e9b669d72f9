"""Programs as an NVIDIA GPU would get them, where there is none."""

import contextlib
from collections.abc import Iterator
from unittest import mock

import jax

from vision_jax.layers import attention


@contextlib.contextmanager
def as_gpu() -> Iterator[None]:
  """While it lasts, programs are traced as for an NVIDIA GPU."""
  from jax._src.cudnn import fused_attention_stablehlo as cudnn

  with contextlib.ExitStack() as stack:
    patch = lambda place, name, value: stack.enter_context(
      mock.patch.object(place, name, value)
    )
    patch(jax, "default_backend", lambda: "gpu")
    patch(attention, "is_cuda", lambda: True)
    patch(cudnn, "check_cudnn_version", lambda: 91900)
    patch(cudnn, "check_compute_capability", lambda *_: True)
    yield
