"""Published files, each with the counts that its publisher states."""

import math

import numpy as np
import pytest

from tests.interop import tensor_files
from vision_jax.interop import files

# File -> format, tensors, parameters (without running statistics).
PUBLISHED = {
  "akamaster-resnet/resnet20-12fca82f.th": ("torch", 97, 269_722),
  "akamaster-resnet/resnet32-d509ac18.th": ("torch", 157, 464_154),
  "carn-m/carn_m.pth": ("torch", 58, 414_811),
  "csinva-lenet/lenet_epoch=12_test_acc=0.991.pth": ("torch", 10, 61_706),
  "csinva-vae/vae_epoch_25.pth": ("torch", 10, 652_824),
  "dncnn-keras25/model.h5": ("keras", 78, 556_096),
  "dncnn-mat25/sigma=25.mat": ("matlab", 34, 555_137),
  "espnet-camvid/espnet_p_2_q_8_camvid.pth": ("torch", 189, 354_517),
  "imdn/IMDN_x2.pth": ("torch", 92, 694_404),
  "imdn/model_RTC.pth": ("torch", 56, 20_190),
  "kair-dncnn25/dncnn_25.pth": ("torch", 34, 555_137),
  "lpips/alex.pth": ("torch", 5, 1_152),
  "lpips/squeeze.pth": ("torch", 7, 2_240),
  "lpips/vgg.pth": ("torch", 5, 1_472),
  "mlperf-tiny-resnet8/pretrainedResnet.h5": ("keras", 48, 78_186),
  "onnx-superres/super_resolution.onnx": ("onnx", 8, 59_657),
  "saoyan-dncnn-s/net_25.pth": ("torch", 77, 556_032),
  "saoyan-dncnn-s/net_50.pth": ("torch", 77, 556_032),
}
STATISTICS = ("running_", "moving_", "num_batches_tracked")
NEEDS = {"keras": "h5py", "matlab": "h5py", "onnx": "onnx"}


def place(data_root, name):
  path = data_root / "weights" / name
  if not path.is_file():
    pytest.skip(f"{path} is absent")
  return path


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_file_has_its_parameters(data_root, name):
  kind, number, parameters = PUBLISHED[name]
  if kind in NEEDS:
    pytest.importorskip(NEEDS[kind])
  opened = files.open_tensors(place(data_root, name))
  arrays = {name: x.load() for name, x in opened.tensors.items()}
  assert opened.kind == kind and len(arrays) == number
  trained = [
    x for name, x in arrays.items() if not any(s in name for s in STATISTICS)
  ]
  assert sum(math.prod(x.shape) for x in trained) == parameters
  assert all(x.dtype == np.float32 and np.isfinite(x).all() for x in trained)


def test_one_net_in_two_formats_is_the_same(data_root):
  pytest.importorskip("h5py")
  torch = tensor_files.read(place(data_root, "kair-dncnn25/dncnn_25.pth"))
  matlab = tensor_files.read(place(data_root, "dncnn-mat25/sigma=25.mat"))
  for a, b in zip(torch.values(), matlab.values(), strict=True):
    if a.ndim == 4:
      a = a.transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(a.squeeze(), b.squeeze())
