"""A net without weights, whose masks are its images' values."""

import types

import jax
import numpy as np
from etils import epath
from PIL import Image

from vision_jax.core.execution import Jit
from vision_jax.core.types import as_given
from vision_jax.data.transforms.image import decode, resize
from vision_jax.experiment import Predict
from vision_jax.inference.predict import predict_folder


class Half:
  """A task whose mask is the image's upper left value."""

  def predict(self, params, stats, batch, key):
    del params, stats, key
    return {"target": batch["image"][..., 0].astype(int)}


def halves(folder, count, formats=("masks",)):
  """Writes images and returns an experiment whose masks are their values."""
  folder.mkdir(parents=True, exist_ok=True)
  for i in range(count):
    image = np.full((6, 5, 3), i, np.uint8)
    Image.fromarray(image).save(folder / f"{i:02}.png")
  how = Predict([decode(3), resize((8, 8))], (), formats)
  return types.SimpleNamespace(task=Half(), inputs=as_given, predict=how)


def run_halves(experiment, images, output, **options):
  """Predicts in this process; returns what was logged."""
  logged = []
  predict_folder(
    *(experiment, ((), ()), Jit(devices=jax.devices()[:1])),
    *(str(images), epath.Path(output)),
    **{"batch_size": 4, "log": logged.append} | options,
  )
  return logged
