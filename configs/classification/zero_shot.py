"""CLIP or SigLIP as a classifier of classes that it is told by name.

  python -m vision_jax.main --mode=import --source=huggingface --file=FOLDER \
      --output=out/clip --config.words=cat,dog
  python -m vision_jax.main --mode=predict --workdir=out/clip --images=IMAGES \
      --config.words="red bus,bicycle" \
      --config.prompts="a photo of a {}.|a drawing of a {}."
  python -m vision_jax.main --mode=eval --workdir=out/clip \
      --config.data_dir=IMAGES --config.words=

FOLDER has config.json, model.safetensors and the tokenizer's files. Without
words the classes have the names that the data have. Each batch reads the
prompts too: the text tower costs as much as some images for each prompt, so
that many classes in many templates want large batches
(`--config.eval_batch_size`), or a notebook, where `zero_shot` describes them
once.
"""

import json

from vision_jax.experiment import Experiment
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.classification import Accuracy
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.imported import IMPORTED, Imported, resolve_imported
from vision_jax.pipelines.prompts import PROMPTS, with_prompts
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.pipelines.values import label_config
from vision_jax.tasks.classification import Classification

NARROW = {
  "hidden_size": 16,
  "num_hidden_layers": 1,
  "num_attention_heads": 2,
  "intermediate_size": 32,
}


def get_config():
  net = {k: v for k, v in IMPORTED.items() if k != "num_classes"}
  return label_config(
    steps=1000,
    batch_size=32,
    eval_batch_size=32,
    dataset="folder",
    image_size=224,  # of stand-ins; those of a folder are `preprocess.size`
    lr=1e-5,
    **(net | {"source": "openai:ViT-B/32"} | PROMPTS),
  )


VARIANTS = {
  "tiny": {
    "source": "huggingface",
    "described": json.dumps(
      {
        "model_type": "clip",
        "projection_dim": 16,
        "vision_config": {**NARROW, "image_size": 32, "patch_size": 8},
        "text_config": {**NARROW, "vocab_size": 514, "eos_token_id": 513},
      }
    ),
    "prompts": "{}",
    "lr": 0.1,
    "steps": 4,
    "batch_size": 8,
    "eval_batch_size": 120,
    "dataset": "digits",
    "image_size": 32,
    "holdout": 240,
  },
}


resolve = resolve_imported


def build(config):
  net, images = Imported.of(config), LabelData.of(config)
  names = config.words or images.names()
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=names,
    colours=net.colours,
    crop=net.preprocess.transform(),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy((1,)), "calibration": CalibrationError()},
  )
  return Experiment(
    task=Classification(with_prompts(net.model, config, names)),
    optimizers={"model": sgd(config.lr, momentum=0.0)},
    **data.fields(),
  )
