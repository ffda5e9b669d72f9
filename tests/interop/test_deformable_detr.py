"""Deformable DETR of others: their names, their settings, their outputs."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.interop.test_detr import config_of, example, outputs
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import leaves, published
from vision_jax.interop.convert import convert
from vision_jax.interop.families import deformable_detr as family
from vision_jax.interop.tensors import Tensor

FORMS = {
  "plain": {},
  "one_level": {"num_feature_levels": 1},
  "refined": {"with_box_refine": True},
  "two_stage": {"with_box_refine": True, "two_stage": True},
}


def config_in(form):
  """Returns what the config.json of a tiny net of Hugging Face holds."""
  config = config_of("basic", model_type="deformable_detr", d_model=64)
  number = FORMS[form].get("num_feature_levels", 4)
  stages = ["stage2", "stage3", "stage4"][-1 if number == 1 else 0 :]
  config["backbone_config"]["out_features"] = stages
  return (
    config
    | FORMS[form]
    | {
      "two_stage_num_proposals": 9,
      "encoder_layers": 1,
      "decoder_layers": 2,
      # One of its versions ties the layers' heads, which the paper does not.
      "tie_word_embeddings": False,
    }
  )


def huggingface(form):
  """Returns their net with random weights."""
  torch, transformers = library("torch"), library("transformers")
  config = config_in(form)
  options = {k: v for k, v in config.items() if k != "model_type"}
  config = transformers.DeformableDetrConfig(**options)
  module = transformers.DeformableDetrForObjectDetection(config)
  if not config.with_box_refine:
    count = len(module.class_embed)
    for name in ("class_embed", "bbox_embed"):
      head = getattr(module, name)[0]
      setattr(module, name, torch.nn.ModuleList([head] * count))
  parity.randomise(module)
  with torch.no_grad():
    for name, value in module.state_dict().items():
      if "query_position" in name or "level_embed" in name:
        value.normal_(0, 1)
      if "sampling_offsets.bias" in name:
        value.normal_(0, 2)
  if config.with_box_refine:  # they are the same, in a file twice
    module.model.decoder.bbox_embed = module.bbox_embed
  if config.two_stage:
    module.model.decoder.class_embed = module.class_embed
  return module


@pytest.mark.slow
@pytest.mark.parametrize(
  ("form", "padded"), [("plain", False), *((form, True) for form in FORMS)]
)
def test_huggingface(form, padded):
  torch, theirs = library("torch"), huggingface(form)
  _, net = published.find("", config_in(form))
  model, (image, mask) = net.model(), example(padded)
  given = parity.variables(theirs, family.huggingface, model, image)
  got = outputs(model, given, image, jnp.asarray(mask) if padded else None)
  with torch.no_grad():
    want = theirs(parity.nchw(image), pixel_mask=torch.tensor(mask).long())
  parity.same(got[0], want.logits)
  parity.same(got[1], want.pred_boxes)
  # The outputs vary: the comparison is of more than biases.
  assert np.std(got[1], axis=1).max() > 3e-3


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "two_stage"])
def test_a_saved_folder_has_the_names_that_are_read(form, tmp_path):
  torchvision()
  module, config = huggingface(form), config_in(form)
  module.save_pretrained(tmp_path)
  file = library("safetensors.numpy").load_file(tmp_path / "model.safetensors")
  layout, net = published.find("", config)
  image = np.zeros((1, 64, 64, 3), np.float32)
  shapes = leaves.shapes(leaves.abstract(net.model(), image))
  tensors = {name: Tensor.of(x) for name, x in file.items()}
  assert set(convert(tensors, layout(shapes), shapes, where="f")) == set(shapes)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"num_feature_levels": 2}, "num_feature_levels is 2; expected 1, or 3"),
    ({"decoder_n_points": 2}, "encoder_n_points is 4 and decoder_n_points 2"),
    ({"dilation": True}, "dilation is True"),
  ],
)
def test_a_config_of_another_net_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    published.find("", config_in("plain") | change)
