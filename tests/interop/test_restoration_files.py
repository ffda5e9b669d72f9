"""Published files of restoration on real images: one image each.

What is expected is what a torch rebuild of each net gave for the same file:
the mean over the set is in the benchmark's rows.
"""

import fractions

import cv2
import jax
import numpy as np
import pytest

from vision_jax.data.bicubic import imresize
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.files import open_tensors
from vision_jax.metrics.restoration import ImageQuality

FILES = {
  "kair:dncnn_25": "kair-dncnn25/dncnn_25.pth",
  "matconvnet:dncnn_25": "dncnn-mat25/sigma=25.mat",
  "saoyan:dncnn_s_25": "saoyan-dncnn-s/net_25.pth",
  "keras:dncnn_25": "dncnn-keras25/model.h5",
  "imdn:imdn_x2": "imdn/IMDN_x2.pth",
  "imdn:imdn_rtc": "imdn/model_RTC.pth",
  "carn:carn_m_x3": "carn-m/carn_m.pth",
  "onnx:super_resolution": "onnx-superres/super_resolution.onnx",
}


def opened(root, source):
  """Returns the module and its variables of a published file."""
  file = root / "weights" / FILES[source]
  if not file.is_file():
    pytest.skip(f"{file} is not there")
  layout, net = published.find(source)
  model, channels = net.model(), len(net.preprocess.mean)
  image = np.zeros((1, 8, 8, channels), np.float32)
  shapes = leaves.shapes(leaves.abstract(model, image))
  tensors = open_tensors(file).tensors
  found = convert.convert(tensors, layout(shapes), shapes, where=source)
  return model, leaves.read(found)


def stored(root, name, *, grey):
  """Returns an image (h, w, c) uint8 of a set."""
  file = root / "restoration" / name
  if not file.is_file():
    pytest.skip(f"{file} is not there")
  image = cv2.imread(str(file), 0 if grey else 1)
  return image[..., None] if grey else image[..., ::-1]


def quality(metric, model, variables, image, clean):
  apply = jax.jit(lambda x: model.apply(variables, x, train=False))
  batch = {"clean": clean[None], "mask": np.ones(1, np.float32)}
  out = {"restored": apply(image[None].astype(np.float32))}
  return metric.result(metric.measure(None, out, batch)[0], {})["psnr"]


@pytest.mark.slow
@pytest.mark.parametrize("source", [x for x in FILES if "dncnn" in x])
def test_noise_is_taken_away(source, data_root):
  clean = stored(data_root, "Set12/01.png", grey=True)[:128, :128] / 255
  noise = np.random.default_rng(0).normal(0, 25 / 255, clean.shape)
  noisy = (clean + noise).astype(np.float32)
  found = quality(
    ImageQuality(), *opened(data_root, source), noisy, clean.astype("f4")
  )
  assert 33.5 < found < 34.2, "the noisy one has 20.2"


@pytest.mark.slow
def test_matlabs_file_is_pytorchs(data_root):
  one, other = (
    opened(data_root, source)[1]
    for source in ("kair:dncnn_25", "matconvnet:dncnn_25")
  )
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.slow
@pytest.mark.parametrize(
  ("source", "gain"),
  [("imdn:imdn_x2", 5.5), ("imdn:imdn_rtc", 4.5), ("carn:carn_m_x3", 4.0)],
)
def test_images_are_larger_and_better_than_bicubic(source, gain, data_root):
  model, variables = opened(data_root, source)
  scale = model.scale
  image = stored(data_root, "Set5/butterfly.png", grey=False)
  h, w = (n // scale * scale for n in image.shape[:2])
  clean = image[:h, :w]
  small = imresize(clean, fractions.Fraction(1, scale))
  metric = ImageQuality("video", shave=scale, rounded=True)
  unit = lambda x: x.astype(np.float32) / 255
  found = quality(metric, model, variables, unit(small), unit(clean))
  batch = {"clean": unit(clean)[None], "mask": np.ones(1, np.float32)}
  plain = {"restored": unit(imresize(small, scale))[None]}
  bicubic = metric.result(metric.measure(None, plain, batch)[0], {})["psnr"]
  assert found - bicubic > gain


@pytest.mark.slow
def test_the_sub_pixel_net_of_onnx_enlarges(data_root):
  model, variables = opened(data_root, "onnx:super_resolution")
  grey = stored(data_root, "Set12/05.png", grey=True)[:96, :96]
  small = imresize(grey, fractions.Fraction(1, 3)) / np.float32(255)
  metric = ImageQuality(shave=3)
  found = quality(metric, model, variables, small, grey / np.float32(255))
  assert found > 20
