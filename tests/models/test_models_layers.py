"""A net's layers one by one: published sums, shapes, shared layers."""

import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from vision_jax.models import count, listing
from vision_jax.models.__main__ import main
from vision_jax.models.layers import layers

X = jax.ShapeDtypeStruct((1, 8), jnp.float32)
KEY = jax.eval_shape(lambda: jax.random.key(0))


def of(module, x=X):
  init = lambda key, x: module.init_with_output(key, x, train=False)
  return layers(init, KEY, x)


def summary(found):
  return [("/".join(x.path), x.kind, x.parameters, x.flops // 2) for x in found]


@pytest.mark.parametrize(
  ("name", "gmacs"),
  [
    # torchvision's weight metadata, and 4.6 of DeiT-S's paper; the others have
    # the sum of the whole program's count alone.
    ("resnet50", "4.09"),
    ("vit_s16", "4.60"),
    ("vit_b16", "17.56"),
    ("detr_r50", None),
    ("ddpm_cifar10", None),
  ],
)
def test_layers_add_up_to_the_net(name, gmacs):
  entry = listing.find(name)
  model, shape = entry.make(), entry.shape()
  begun = time.process_time()
  init, args = count.initialisation(model, shape)
  found = layers(init, *args)
  parameters, flops = count.forward_cost(model, shape)
  assert sum(layer.parameters for layer in found) == parameters
  assert sum(layer.flops for layer in found) == flops
  assert gmacs is None or f"{flops / 2e9:.2f}" == gmacs
  assert time.process_time() - begun < 60  # traced, neither compiled nor run
  assert found[0].path == () and len({x.path for x in found}) > 100


def test_each_layer_has_what_is_its_own():
  class Net(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
      scale = self.param("scale", nn.initializers.ones, (8, 8))
      x = nn.Dense(5, name="first")(x @ scale)
      return nn.Dropout(0.5, deterministic=not train)(x)

  assert summary(of(Net())) == [
    ("", "Net", 64, 64),
    ("first", "Dense", 45, 40),
    ("Dropout_0", "Dropout", 0, 0),
  ]
  assert [x.outputs for x in of(Net())] == [((1, 5),)] * 3


def test_a_shared_layer_has_its_parameters_once_and_works_each_time():
  class Shared(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
      layer = nn.Dense(8, use_bias=False)
      return layer(layer(x))

  first, second = summary(of(Shared()))[1:]
  assert first == ("Dense_0", "Dense", 64, 64)
  assert second == ("Dense_0", "Dense", 0, 64)


def test_other_methods_and_several_nets():
  class Coder(nn.Module):
    def setup(self):
      self.inside, self.outside = nn.Dense(2), nn.Dense(8)

    def encode(self, x):
      return self.inside(self.norm(x))

    def norm(self, x):
      return x @ jnp.eye(8)

    def __call__(self, x, *, train):
      return self.outside(self.encode(x))

  whole = summary(of(Coder()))
  assert whole == [
    ("", "Coder", 0, 64),
    ("inside", "Dense", 18, 16),
    ("outside", "Dense", 24, 16),
  ]
  half = lambda key, x: Coder().init(key, x, method="encode")
  both = lambda key, x: (half(key, x), half(key, x))
  (encode, inside) = summary(layers(half, KEY, X))
  assert encode == ("", "Coder.encode", 0, 64) and inside == whole[1]
  assert summary(layers(both, KEY, X)) == [encode, inside] * 2


@pytest.mark.parametrize("name", ["vit_ti16", "resnet18"])
def test_recomputing_in_the_backward_pass_changes_nothing(name):
  entry, tables = listing.find(name), []
  for how in ("none", "blocks", "dots"):
    model, shape = entry.make(remat=how), entry.shape(image_size=32)
    init, args = count.initialisation(model, shape)
    found = layers(init, *args)
    tables.append([(x.path, x.outputs, x.parameters, x.flops) for x in found])
  assert tables[0] == tables[1] == tables[2]


def test_the_command_prints_a_models_layers(capsys):
  assert main(["--layers=lenet5"]) == 0
  head, net, *lines, total, note = capsys.readouterr().out.splitlines()
  assert head.split() == ["layer", "type", "output", "parameters", "MACs"]
  assert net.split() == ["LeNet5", "LeNet5", "(1,", "10)", "-", "-"]
  assert lines[1].split()[-2:] == ["2,416", "240,000"]
  assert total.split() == ["total", "61,706", "416,520"]
  assert len({len(line) for line in (head, net, *lines, total)}) == 1
  assert "2 FLOPs" in note
  assert main(["--layers=vit_s16", "--image_size=32"]) == 0
  assert "(1, 5, 384)" in capsys.readouterr().out


def test_the_command_prints_a_configs_nets(capsys):
  gan = "configs/generation/digits_gan.py:tiny"
  assert main([f"--layers={gan}", "--config.width=16"]) == 0
  out = capsys.readouterr().out
  assert "DCGANGenerator" in out and "DCGANDiscriminator" in out


def test_the_command_says_what_is_wrong(capsys):
  for args, message in (
    (["--layers=zfnet"], "config's path, or one of mlp, lenet5"),
    (["--layers=lenet5", "--config.width=4"], "is a model, and no config"),
    (["--layers=configs/none.py"], "configs/none.py"),
    (["--layers=a.py", "--image_size=4"], "--mode=show"),
    (["--layers=vit_s16", "--image_size=20"], "multiples of the patch"),
  ):
    assert main(args) == 2
    assert message in capsys.readouterr().err
  with pytest.raises(SystemExit):
    main(["--config.width=4"])
