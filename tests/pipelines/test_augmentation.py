"""The block `augment` of the configs of one's own data."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.pipelines.augmentation import Augmentation
from vision_jax.pipelines.detection import box_augment
from vision_jax.pipelines.segmentation import mask_augment
from vision_jax.recipe import recipe

CONFIGS = {
  "labels": "configs/classification/folder_resnet18.py:tiny",
  "masks": "configs/segmentation/folder_unet.py:tiny",
  "boxes": "configs/detection/voc_detr.py:tiny",
}
OFF = {name.name: "0" for name in dataclasses.fields(Augmentation)}
ON = {
  "rotation": "15",
  "translation": "0.1",
  "scale": "0.8,1.25",
  "flip": "both",
  "brightness": "0.2",
  "contrast": "0.2",
  "saturation": "0.2",
  "hue": "0.05",
  "noise": "0.05",
  "erasing": "0.25",
}


def load(config, values):
  given = {f"augment.{name}": text for name, text in values.items()}
  return recipe.load(config, given)


@pytest.mark.parametrize("has", CONFIGS)
def test_the_same_flags_do_everything_and_nothing(has):
  keys = load(CONFIGS[has], ON).config.augment.to_dict().keys()
  assert keys == OFF.keys()
  with load(CONFIGS[has], OFF | {"scale": ""}).build() as plain:
    size = (16, 16) if has == "masks" else ()  # windows are cut still
    assert (plain.augment is None) == (not size)
    batch = plain.inputs(plain.train_data.batch(0))
    shape = (size or (32, 32),)[0]
    assert batch["image"].shape[1:3] == (32, 32)
  with load(CONFIGS[has], ON | {"crop": "0.5,1"}).build() as full:
    new = jax.jit(full.augment)(batch, jax.random.key(0))
  assert new["image"].shape[1:3] == shape
  assert np.isfinite(new["image"]).all() and new.keys() == batch.keys()


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"rotation": "200"}, "augment.rotation: got 200.0; expected 0 to 180"),
    ({"translation": "-0.1"}, "augment.translation: got -0.1; expected 0 to 1"),
    ({"scale": "1.2,0.8"}, r"augment.scale: got \(1.2, 0.8\); expected the sm"),
    ({"scale": "0.8"}, r"augment.scale: got \(0.8,\); expected the smallest"),
    ({"crop": "0,0.5"}, "augment.crop: got .*; expected the smallest and"),
    ({"flip": "sideways"}, "augment.flip: got 'sideways'; expected horizontal"),
    ({"hue": "0.6"}, "augment.hue: got 0.6; expected 0 to 0.5"),
    ({"noise": "5"}, "augment.noise: got 5.0; expected 0 to 1"),
    ({"erasing": "2"}, "augment.erasing: got 2.0; expected 0 to 1"),
    ({"crop": "0.5,1.5"}, "augment.crop: got .*; expected parts of the area"),
    ({"rotate": "3"}, "augment.rotate: no such key; did you mean .*rotation"),
  ],
)
def test_strengths_that_cannot_be(values, message):
  with pytest.raises(UserError, match=r"--config\." + message):
    load(CONFIGS["labels"], values).build()


SEVEN = ((0.4,) * 7, (0.2,) * 7)


def test_images_of_seven_channels_turn_but_have_no_colours():
  strong = Augmentation(rotation=20, scale=(0.8, 1.2), noise=0.1, erasing=0.5)
  batch = {
    "image": jnp.zeros((2, 8, 8, 7)),
    "index": jnp.arange(2, dtype=jnp.int32),
  }
  new = strong.labels(SEVEN)(batch, jax.random.key(0))
  assert new["image"].shape == (2, 8, 8, 7)
  for make in (Augmentation.labels, Augmentation.masks, Augmentation.boxes):
    with pytest.raises(UserError, match=r"hue: got 0.1 for images of 7 chan"):
      make(Augmentation(hue=0.1), colours=SEVEN)


@pytest.mark.parametrize("make", [mask_augment, box_augment])
def test_a_config_of_one_strength_names_its_own_key(make):
  with pytest.raises(UserError, match=r"config\.jitter: got 0.2 for .* 7 chan"):
    make(jitter=0.2, colours=SEVEN)
  assert make(jitter=0.0, colours=SEVEN) is None
