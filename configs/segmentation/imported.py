"""A segmenter that others have published: what `--mode=import` writes.

  python -m vision_jax.main --mode=import --source=espnet:camvid \
      --file=espnet_p_2_q_8_camvid.pth --output=out/espnet \
      --config.dataset=camvid
  python -m vision_jax.main --mode=eval --workdir=out/espnet

Images are resized to `preprocess.size`, and normalised as its source has it.
Where a net has an output for void, the last (`--config.void=true`), `miou`
leaves out pixels whose truth is void, and `miou_void` counts what is predicted
there as false. An auxiliary head, which some sources have, is left out but for
`--config.fields='{"auxiliary": true}' --config.auxiliary=0.5`: it trains on.
"""

from vision_jax.experiment import Experiment
from vision_jax.metrics.void import WithVoid
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.imported import IMPORTED, Imported, resolve_imported
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.segmentation_options import metrics_of, task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import segmentation_config


def get_config():
  """Returns the values.

  auxiliary: weight of the auxiliary head's loss, of nets that have one; 0 is
  without. void: whether the last output is for what is no class.
  """
  return segmentation_config(
    steps=1000,
    batch_size=8,
    dataset="folder",
    lr=0.001,
    class_names=(),
    void=False,
    auxiliary=0.0,
    convolutional=True,
    **(IMPORTED | {"source": "espnet:camvid", "num_classes": 12}),
  )


VARIANTS = {
  "tiny": {
    "source": "espnet:camvid",
    "fields": '{"blocks": [1, 1], "widths": [4, 10, 10]}',
    "steps": 4,
    "batch_size": 4,
    "eval_batch_size": 16,
    "dataset": "scenes",
    "scenes": (16, 16, 32),
    "image_size": (32, 32),
    "class_names": SCENE_CLASSES,
    "num_classes": len(SCENE_CLASSES),
    "void": True,
    "preprocess": {"size": (32, 32)},
  },
}


def resolve(config):
  resolve_imported(config)
  names = config.class_names
  config.num_classes = len(names) or config.num_classes
  config.void = config.void or names[-1:] == ("void",)


def build(config):
  net, masks = Imported.of(config), MaskData.of(config)
  names = tuple(config.class_names)
  metrics = metrics_of(config)
  if config.void:
    near = config.boundary_pixels, config.trimap_pixels
    metrics = {"segmentation": WithVoid(names[:-1], *near)}
  data = segmentation(
    train=masks.train,
    evals=masks.evals,
    class_names=names,
    decode_mask=masks.decode_target(),
    mask_values=masks.mask_values,
    image_size=net.preprocess.size,
    loading=Loading.of(config),
    metrics=metrics,
    colours=net.colours,
    augment=mask_augment(
      scale=config.scale,
      degrees=config.degrees,
      crop=config.crop,
      flip=config.flip,
      jitter=config.jitter,
      colours=net.colours,
    ),
  )
  return Experiment(
    task=task_of(config, net.model, auxiliary=config.auxiliary),
    optimizers={"model": sgd(config.lr, momentum=0.0)},
    **data.fields(),
  )
