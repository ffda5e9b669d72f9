"""A variational autoencoder that others have published, of binary likelihood.

  python -m vision_jax.main --mode=import --source=csinva:vae \
      --file=vae_epoch_25.pth --output=out/vae
  python -m vision_jax.main --mode=eval --workdir=out/vae

Grey levels are scored as they are, as if a pixel were drawn many times.
`test/nll_mean_code` is of mean codes: it depends on no draw. `test/loss` is the
evidence bound's negative, of one code an image.
"""

from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.losses.likelihood import Bernoulli
from vision_jax.metrics.generation_scores import MeanOf
from vision_jax.optim.optimizers import adamw
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation
from vision_jax.pipelines.imported import IMPORTED, Imported, resolve_imported
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.vae import VariationalAutoencoding


def get_config():
  net = IMPORTED | {"source": "csinva:vae"}
  del net["num_classes"]  # it has none
  return base_config(
    steps=1000,
    batch_size=100,
    eval_batch_size=1000,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=0,
    lr=1e-4,
    class_names=(),
    **net,
  )


VARIANTS = {
  "tiny": {
    "source": "csinva:vae",
    "fields": '{"latent": 2, "hidden": [4]}',
    "steps": 4,
    "batch_size": 8,
    "eval_batch_size": 120,
    "dataset": "digits",
    "preprocess": {"size": (28, 28), "resize": 0},
  },
}

resolve = resolve_imported


def build(config):
  net, images = Imported.of(config), LabelData.of(config)
  task = VariationalAutoencoding(net.model, Bernoulli(), "binary")
  coded = {"coded": MeanOf(("nll_mean_code",))}
  data = generation(
    train=images.train,
    evals={
      "test": Eval(images.evals["test"], coded, output=task.at_mean),
    },
    colours=net.colours,
    loading=Loading.of(config),
  )
  return Experiment(
    task=task,
    optimizers={"model": adamw(config.lr, weight_decay=0.0)},
    **data.fields(),
  )
