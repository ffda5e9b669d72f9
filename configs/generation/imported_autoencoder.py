"""An autoencoder of latent diffusion that others have published.

  python -m vision_jax.main --mode=import --source=huggingface \
      --file=sd-vae-ft-mse --output=out/autoencoder
  python -m vision_jax.main --mode=eval --workdir=out/autoencoder

The folder is diffusers', of an AutoencoderKL or a VQModel. What is measured is
the squared error of a pixel in [-1, 1], `test/mse`; trained by
--init_from=out/autoencoder it goes on from there, without a discriminator. Not
measured yet.
"""

from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.optim.optimizers import adamw
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation
from vision_jax.pipelines.generation_images import signed_reconstructions
from vision_jax.pipelines.imported import IMPORTED, Imported, resolve_imported
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.kl_autoencoding import KLAutoencoding
from vision_jax.tasks.vector_quantisation import VectorQuantisation


def get_config():
  net = IMPORTED | {"source": "diffusers:stabilityai/sd-vae-ft-mse"}
  del net["num_classes"]  # it has none
  return base_config(
    steps=1000,
    batch_size=16,
    eval_batch_size=16,
    dataset="cifar10",
    image_size=32,
    channels=3,
    holdout=0,
    lr=1e-5,
    class_names=(),
    **net,
  )


VARIANTS = {
  "tiny": {
    "fields": '{"channels": 1, "widths": [4, 8], "blocks": 1, "groups": 2}',
    "steps": 4,
    "batch_size": 8,
    "eval_batch_size": 120,
    "dataset": "digits",
    "image_size": 8,
    "channels": 1,
    "preprocess": {"size": (8, 8), "resize": 0},
  },
}

resolve = resolve_imported


def build(config):
  net, images = Imported.of(config), LabelData.of(config)
  quantises = hasattr(net.model, "quantise")
  task = (VectorQuantisation if quantises else KLAutoencoding)(net.model)
  data = generation(
    train=images.train,
    evals={
      "test": Eval(images.evals["test"], {}, images=signed_reconstructions)
    },
    colours=net.colours,
    loading=Loading.of(config),
  )
  return Experiment(
    task=task,
    optimizers={"model": adamw(config.lr, weight_decay=0.0)},
    **data.fields(),
  )
