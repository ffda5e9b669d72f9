"""SRGAN on DIV2K: four times larger, and judged; Set5 29.40 dB is published.

  python -m vision_jax.main --config=configs/restoration/div2k_srgan.py \\
      --workdir=out/srgan --config.data_dir=SETS --init_from=out/srresnet \\
      --config.judge=vgg19.pth

SETS as for `div2k_edsr.py`, out/srresnet is a run of `div2k_srresnet.py`, with
which the paper's generators begin, and vgg19.pth is torchvision's file. Its
maps take the place of pixels: the last ones (the paper's SRGAN-VGG54), with
`--config.judge_layer=relu2_2` early ones (VGG22). Without a judge pixels are
compared (SRGAN-MSE).

It is to look sharp, and by PSNR it is less than SRResNet (32.05 dB) and little
more than bicubic (28.43 dB). The published nets have seen 350,000 images of
ImageNet. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment
from vision_jax.models.restoration.srgan import SRGANDiscriminator
from vision_jax.models.restoration.srresnet import SRResNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import step_decay
from vision_jax.pipelines.restoration import Worse
from vision_jax.pipelines.restoration_values import restoration_config, restored
from vision_jax.pipelines.style import style_judge
from vision_jax.tasks.adversarial_restoration import AdversarialRestoration
from vision_jax.weights import Weights


def get_config():
  """Returns the values.

  init_from: what the net that restores begins with: a workdir of an SRResNet,
  or a file; "" begins at random. judge: VGG-19 by whose maps images are
  compared, torchvision's file or a workdir; "" compares pixels. judge_layer:
  which maps, after which activation. judge_width: features of the
  discriminator's first convolution. lr: of both nets; a tenth of it in the
  second half of the steps.
  """
  return restoration_config(
    train="DIV2K",
    tests=("Set5", "Set14"),
    scale=4,
    smaller="bicubic",
    image_size=24,
    steps=200_000,
    batch_size=16,
    eval_every=10_000,
    save_every=10_000,
    init_from="",
    width=64,
    blocks=16,
    judge="",
    judge_layer="relu5_4",
    judge_width=64,
    loss="l2",
    adversarial=1e-3,
    lr=1e-4,
    warmup=0,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "scenes": (16, 0, 4),
    "image_size": 8,
    "width": 4,
    "blocks": 1,
    "judge_width": 4,
    "steps": 20,
    "batch_size": 8,
    "eval_batch_size": 4,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
  },
}


def build(config):
  worse = Worse(config.scale, config.smaller)
  model = SRResNet(
    config.scale,
    config.channels,
    config.width,
    config.blocks,
    dtype=config.dtype,
  )
  judge, fixed = None, {}
  if config.judge:
    judge, fixed = style_judge(
      config.judge, random=False, layers=(config.judge_layer,), depth=19
    )
    judge = judge.clone(dtype=config.dtype)
  task = AdversarialRestoration(
    model,
    config.loss,
    config.luma,
    discriminator=SRGANDiscriminator(config.judge_width, dtype=config.dtype),
    judge=judge,
    adversarial=config.adversarial,
  )
  rate = step_decay(config.lr, (config.steps // 2,), warmup=config.warmup)
  adam = adamw(rate, weight_decay=0.0)
  return Experiment(
    task=task,
    optimizers={"model": adam, "discriminator": adam},
    ema={"model": config.ema},
    fixed=fixed,
    start={"model": Weights(config.init_from)} if config.init_from else {},
    **restored(config, worse).fields(),
  )
