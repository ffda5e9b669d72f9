"""What the parity tests compare with: the libraries of the oracle extra."""

import importlib.util

import pytest

ABSENT = "the oracle extra is not installed: pip install -e '.[oracle]'"


# Import torchvision where there is one, whose operators have to be declared.
ABOVE = ("diffusers", "timm", "torchmetrics", "torchvision", "transformers")


def library(name):
  """Returns a library of the oracle extra; skips the test without it."""
  if name.split(".")[0] in ABOVE and importlib.util.find_spec("torchvision"):
    _declare()
  return pytest.importorskip(name, reason=ABSENT)


_OPERATORS = """
nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor
roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)
ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio) -> (Tensor, Tensor)
ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)
deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor
_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width, int sampling_ratio, bool aligned) -> Tensor
_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> (Tensor, Tensor, Tensor, Tensor, Tensor)
qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
qroi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, int sampling_ratio, bool aligned) -> Tensor
"""  # noqa: E501
_declared = []  # keeps them alive


def torchvision():
  """Returns torchvision, beside a torch for the CPU too.

  Its wheels are built for CUDA: there its operators are declared in their
  place, so that everything runs that does not call one.
  """
  if importlib.util.find_spec("torchvision") is None:
    pytest.skip(ABSENT)
  return library("torchvision")


def _declare():
  """Declares torchvision's operators, once, where they are absent."""
  torch = pytest.importorskip("torch", reason=ABSENT)
  if not _declared and not hasattr(torch.ops.torchvision, "nms"):
    _declared.append(torch.library.Library("torchvision", "DEF"))
    for line in _OPERATORS.strip().splitlines():
      _declared[0].define(line)
