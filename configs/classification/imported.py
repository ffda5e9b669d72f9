"""A classifier that others have published: what `--mode=import` writes.

  python -m vision_jax.main --mode=import --source=torchvision:resnet50 \
      --file=resnet50.safetensors --output=out/r50
  python -m vision_jax.main --mode=eval --workdir=out/r50 \
      --config.data_dir=IMAGENET

Resolution, crop, interpolation, mean and deviation are those that its source
publishes, kept in the workdir under `preprocess`, for evaluation, prediction,
probes and export alike. Of another number of classes
(`--config.num_classes=10`) the head is new; of other channels
(`--config.channels=5`) the first convolution is widened by its filters' mean.
To train one on your own images take `folder_finetune.py` with
`--init_from=WORKDIR`.
"""

from vision_jax.experiment import Experiment
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.classification import Accuracy
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.imported import IMPORTED, Imported, resolve_imported
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.pipelines.values import label_config
from vision_jax.tasks.classification import Classification


def get_config():
  return label_config(
    steps=1000,
    batch_size=32,
    eval_batch_size=32,
    dataset="folder",
    in_memory=False,  # each image is resized as its source has it
    image_size=224,  # of stand-ins; those of a folder are `preprocess.size`
    lr=0.001,
    convolutional=True,
    **(IMPORTED | {"source": "torchvision:resnet50"}),
  )


VARIANTS = {
  "tiny": {
    "source": "torchvision:resnet18",
    "fields": '{"width": 4}',
    "steps": 4,
    "batch_size": 8,
    "eval_batch_size": 120,
    "dataset": "digits",
    "image_size": 32,
    "holdout": 240,
    "num_classes": 10,
    "preprocess": {"size": (32, 32), "resize": 32},
  },
}


resolve = resolve_imported


def build(config):
  net, images = Imported.of(config), LabelData.of(config)
  top = (1, 5) if config.num_classes >= 5 else (1,)
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.class_names,
    num_classes=config.num_classes,
    colours=net.colours,
    crop=net.preprocess.transform(),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy(top), "calibration": CalibrationError()},
  )
  return Experiment(
    task=Classification(net.model),
    optimizers={"model": sgd(config.lr, momentum=0.0)},
    **data.fields(),
  )
