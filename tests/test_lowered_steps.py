"""Training steps of configs as they are lowered for accelerators."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest

from tests.marks import two_of_each_task
from tests.programs.lowering import lowered
from tests.test_configs import CONFIGS
from vision_jax.forms.choice import use_forms
from vision_jax.models.detection import detr
from vision_jax.models.detection.detr_layers import EncoderLayer
from vision_jax.recipe import recipe

QUICK = ("digit_scenes_unet", "digits_gan")
# Of a weight's gradient, the result has the kernel's layout; and holes in the
# base say that the kernel is as large as the image.
DILATED_GRADIENT = re.compile(
  r"stablehlo\.convolution.*->\[0, 1, b, f\].*lhs_dilate = \[[^\]]*[2-9]"
)


@functools.cache
def step_text(path, backend="gpu"):
  """The training step of a config's tiny variant, lowered."""
  built = recipe.load(f"{path}:tiny")
  experiment = built.build()
  batch = experiment.train_data.batch(0)
  state = jax.eval_shape(
    lambda: experiment.initial_state(jax.random.key(0), batch)
  )
  step = experiment.train_step()
  return lowered(backend, step, state, batch)


def of_each_task():
  """Returns two configs of each task, and QUICK's.

  What is looked for comes from layers and pipelines that a task's share.
  """
  quick = [x for x in CONFIGS if any(name in x for name in QUICK)]
  slow = set(two_of_each_task(CONFIGS)).difference(quick)
  return quick + [pytest.param(x, marks=pytest.mark.slow) for x in sorted(slow)]


@pytest.mark.parametrize("path", of_each_task())
def test_what_an_accelerator_is_given(path):
  text = step_text(path)
  check_images_are_an_argument_of_bytes(path, text)
  assert not DILATED_GRADIENT.search(text)


def check_images_are_an_argument_of_bytes(path, text):
  """None of their shape is of floats, but for noise, which is not rounded."""
  main = text.split("func.func public @main(")[1].split("{\n")[0]
  batch = recipe.load(f"{path}:tiny").build().train_data.batch(0)
  images = (k for k in batch if k.rpartition("/")[2] == "image")
  seen = batch["joints" if "joints" in batch else next(images)]
  shape = "x".join(map(str, seen.shape))
  if "joints" in batch:  # coordinates
    assert seen.dtype == jnp.float32
    return
  noisy = "clean" in batch and seen.dtype == jnp.float32
  expected = {"ui8", "f32"} if noisy else {"ui8"}
  assert set(re.findall(rf"tensor<{shape}x(\w+)>", main)) == expected


@pytest.mark.parametrize("path", [p for p in CONFIGS if QUICK[0] in p])
def test_a_tpu_gets_the_forms_of_an_accelerator(path):
  gpu, tpu = (step_text(path, backend) for backend in ("gpu", "tpu"))
  assert not DILATED_GRADIENT.search(tpu)
  counts = lambda text: {
    name: len(re.findall(rf"stablehlo\.{name}\b", text))
    for name in ("convolution", "select_and_scatter", "reduce_window")
  }
  assert counts(tpu) == counts(gpu) and counts(tpu)["select_and_scatter"] == 0


def test_the_search_finds_such_a_gradient():
  with use_forms(transposed="dilated"):
    text = step_text.__wrapped__("configs/segmentation/digit_scenes_unet.py")
  assert DILATED_GRADIENT.search(text)


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_dropout_leaves_cudnn_to_detrs_attention(rate):
  """But for that of the attention's own weights, which is 0 by default."""
  options = {"attention_dropout": rate} if rate else {}
  layer = EncoderLayer(2, 32, 0.1, dtype=jnp.bfloat16, **options)
  x = jax.ShapeDtypeStruct((2, 16, 32), jnp.bfloat16)
  mask = jax.ShapeDtypeStruct((2, 16), jnp.bool_)
  keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
  variables = jax.eval_shape(
    lambda x, mask: layer.init(keys, x, x, mask, False), x, mask
  )

  def loss(variables, x, mask):
    y = layer.apply(variables, x, x, mask, True, rngs=keys)
    return jnp.sum(y.astype(jnp.float32))

  text = lowered("gpu", jax.grad(loss), variables, x, mask)
  assert ("__cudnn$fmha" in text) == (not rate)


def test_cocos_detr_keeps_the_papers_dropout():
  layer = detr.Detr(4, None)
  assert layer.dropout == 0.1 and layer.attention_dropout == 0.0
  config = recipe.load("configs/detection/coco_detr_r50.py:tiny").config
  assert config.attention_dropout == 0.1
