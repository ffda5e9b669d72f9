"""From files and photographs to outputs of nets that no library has.

Their oracles are built anew, in torch or flax, by the names of their files.
"""

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import pytest

import vision_jax
from tests.interop import parity
from tests.interop.end_to_end import ROWS as LIBRARIES
from tests.interop.test_carn import carn_module
from tests.interop.test_end_to_end import apply, loaded, photos, same, written
from tests.interop.test_espnet import NARROW, rebuilt
from tests.interop.test_fid_inception import torch_inception
from tests.interop.test_restoration_families import (
  espcn_net,
  imdn_net,
  imdn_rtc_net,
  plain_dncnn,
  restores,
)
from tests.interop.test_small import names_of_keras, option_a_net, run_keras
from tests.interop.test_vit import GoogleViT
from tests.models.test_models_restoration import edsr_net, ffdnet_net
from tests.oracles import library, torchvision
from vision_jax.interop import leaves, published

pytestmark = pytest.mark.slow


@dataclasses.dataclass(frozen=True)
class Row:
  """A net that is built anew, narrow.

  Attributes:
    make: () -> a module of torch.
    fields: of ours.
    run: (module, images (b, h, w, c)) -> its outputs; channels last.
    out: takes the same out of what ours returns.
  """

  make: Callable[[], Any]
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  run: Callable[[Any, np.ndarray], Any] | None = None
  out: Callable[[Any], Any] = lambda y: y


def restored(module, x):
  return module(parity.nchw(x)).permute(0, 2, 3, 1)


def classified(module, x):
  return module(parity.nchw(x))


def turned(module, x):
  """Of a net whose images are blue, green, red."""
  return restored(module, x[..., ::-1])


def lenet():
  nn, named = library("torch").nn, collections.OrderedDict
  convolutions = named(
    c1=nn.Conv2d(1, 6, 5),
    relu1=nn.ReLU(),
    s2=nn.MaxPool2d(2),
    c3=nn.Conv2d(6, 16, 5),
    relu3=nn.ReLU(),
    s4=nn.MaxPool2d(2),
    c5=nn.Conv2d(16, 120, 5),
    relu5=nn.ReLU(),
  )
  dense = named(f6=nn.Linear(120, 84), relu6=nn.ReLU(), f7=nn.Linear(84, 10))
  net = named(
    convnet=nn.Sequential(convolutions),
    flat=nn.Flatten(),
    fc=nn.Sequential(dense),
  )
  return nn.Sequential(net)


def vae():
  nn = library("torch").nn
  sizes = {"fc1": (784, 400), "fc21": (400, 20), "fc22": (400, 20)}
  sizes |= {"fc3": (20, 400), "fc4": (400, 784)}
  return nn.ModuleDict({name: nn.Linear(*x) for name, x in sizes.items()})


def mean_decoded(net, x):
  """What is decoded of the mean, before the sigmoid."""
  h = net["fc1"](library("torch").tensor(x).flatten(1)).relu()
  y = net["fc4"](net["fc3"](net["fc21"](h)).relu())
  return y.reshape(-1, 28, 28, 1)


def fid():
  inception = torchvision().models.inception
  return inception.Inception3(1008, aux_logits=False, init_weights=False)


def run_fid(module, x):
  state = {name: x.numpy() for name, x in module.state_dict().items()}
  return torch_inception(state, parity.nchw(x), 299)[0]


DNCNN = {"width": 6, "depth": 4}
IMDN = {"width": 16, "distilled": 4, "blocks": 2}
ROWS = {
  "carn:carn_m_x4": Row(lambda: carn_module()(8, 4), {"width": 8}, restored),
  "kair:dncnn_25": Row(
    lambda: restores(plain_dncnn(4, 6, False), "model"), DNCNN, restored
  ),
  "saoyan:dncnn_s_25": Row(
    lambda: restores(plain_dncnn(4, 6, True), "dncnn"), DNCNN, restored
  ),
  "imdn:imdn_x3": Row(imdn_net, IMDN, restored),
  "imdn:imdn_rtc": Row(
    imdn_rtc_net, {"width": 8, "distilled": 2, "blocks": 2}, restored
  ),
  "pytorch:super_resolution": Row(
    espcn_net, {"widths": (6, 5), "kernels": (5, 3, 3)}, restored
  ),
  "basicsr:edsr_m_x4": Row(edsr_net, {"width": 6, "blocks": 2}, restored),
  "kair:ffdnet_gray": Row(ffdnet_net, {"width": 6, "depth": 3}, restored),
  "espnet:camvid": Row(
    lambda: rebuilt(library("torch"), 12, **NARROW), NARROW, turned
  ),
  "akamaster:resnet20": Row(
    option_a_net, {"stages": (1, 2), "width": 4}, classified
  ),
  "csinva:lenet": Row(lenet, {}, classified),
  "csinva:vae": Row(vae, {}, mean_decoded),
  "pytorch_fid:inception": Row(fid, {}, run_fid, lambda y: y["features"]),
}


def given(net):
  """Returns photographs in the colours that a net has, some of their middle."""
  found = [x[40:200, 10:170] for x in photos()]
  if len(net.preprocess.mean) == 1:
    return [x[..., 1:2] for x in found]
  return found


@pytest.mark.parametrize("source", ROWS)
def test_outputs_are_the_rebuilt_nets(source, tmp_path):
  row, (_, net) = ROWS[source], published.sources()[source]
  module = parity.randomise(row.make())
  model, variables = loaded(written(module, tmp_path), source, **row.fields)
  images = np.asarray(vision_jax.preprocess(model, given(net)))
  with library("torch").no_grad():
    expected = row.run(module, images)
  same(source, row.out(apply(model, variables, images)), expected)


def test_outputs_of_googles_npz(tmp_path):
  """Files of JAX: of the paper's code, and of big_vision."""
  theirs = GoogleViT(False)
  x = np.zeros((1, 224, 224, 3), np.float32)
  params = theirs.init(jax.random.key(0), x)["params"]
  rng = np.random.default_rng(0)
  draw = lambda x: np.float32(x + 0.1 * rng.normal(size=x.shape))
  params = jax.tree.map(draw, params)
  flat = leaves.flat(params)
  np.savez(tmp_path / "a.npz", **flat)
  nested = {f"params/{name}": x for name, x in flat.items()}
  np.savez_compressed(tmp_path / "b.npz", **nested)
  fields = {"patch": 8, "grid": (28, 28), "num_classes": 7}
  model, variables = loaded(
    sorted(tmp_path.iterdir()),
    "google:augreg_imagenet2012_224/B_16",
    **fields,
    features=24,
    depth=2,
    heads=3,
  )
  images = vision_jax.preprocess(model, photos())
  expected = theirs.apply({"params": params}, images)
  same("google", apply(model, variables, images), expected)


def test_outputs_of_a_keras_file(tmp_path):
  h5py = library("h5py")
  source, path = "mlperf_tiny:resnet8", tmp_path / "a.h5"
  _, net = published.sources()[source]
  model = net.model()
  x = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
  shapes = leaves.shapes(leaves.abstract(model, x))
  tensors = {name: x.load() for name, x in names_of_keras(shapes).items()}
  layers = collections.defaultdict(dict)
  for name, value in tensors.items():
    layers[name.partition("/")[0]][name.partition("/")[2]] = value
  with h5py.File(path, "w") as file:
    root = file.create_group("model_weights")
    root.attrs["layer_names"] = [name.encode() for name in layers]
    for layer, weights in layers.items():
      group = root.create_group(layer)
      group.attrs["weight_names"] = [name.encode() for name in weights]
      for name, value in weights.items():
        group[name] = value
  model, variables = loaded([path], source)
  images = np.asarray(vision_jax.preprocess(model, photos()))
  expected = run_keras(tensors, images)
  same(source, apply(model, variables, images), expected)


def test_every_family_has_a_row():
  sources = [*ROWS, *(row.source for row in LIBRARIES)]
  covered = {published.sources()[source][0] for source in sources}
  covered |= {"clip", "detr", "ddpm", "vit_google"}  # tests of their own
  covered |= {
    "deeplabv3",
    "deformable_detr",
    "faster_rcnn",
    "fcos",
    "latent",
    "lraspp",
    "rt_detr",
    "ssd",
    "yolox",
  }
  assert covered == published.families().keys()
