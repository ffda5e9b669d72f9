"""Rows of published files: what they give through our loaders and metrics.

Nothing is trained: a file is imported and evaluated, once, so that there is one
seed and no interval. A target is what the same file and data gave in a rebuild
by other code, and holds either way. A net in several formats counts once.
"""

from collections.abc import Mapping

from benchmarks.row import Row

JPEG = (
  "a copy of JPEG files (quality 75, `cifar10_jpeg`), which costs about 10 "
  "points; the published number is of lossless images"
)
EXAMPLE = 1e-4  # of 10,000


def _published(
  name: str,
  source: str,
  file: str,
  *,
  task: str = "classification",
  overrides: Mapping[str, str],
  **more,
) -> Row:
  return Row(
    name=name,
    config=f"configs/{task}/imported.py",
    source=source,
    file=file,
    overrides=overrides,
    seeds=1,
    **more,
  )


def _cifar(name: str, source: str, file: str, **more) -> Row:
  return _published(
    name,
    source,
    file,
    dataset="cifar10_jpeg",
    protocol="10,000 test images, single view, a published file",
    tolerance=0.001,
    within=EXAMPLE,
    differs=JPEG,
    data="cifar10",
    overrides={
      "dataset": "cifar10",
      "eval_batch_size": "500",
    },
    **more,
  )


IMPORTED = (
  _published(
    "imported_espnet_camvid",
    "espnet:camvid",
    "espnet-camvid/espnet_p_2_q_8_camvid.pth",
    sha256="7d354a257170322086dcd4c1e89a482454cf2c9d30b085e70883878dd59301af",
    task="segmentation",
    dataset="camvid 367/101/233",
    reference="camvid_espnet",
    protocol=(
      "233 test images of 360 x 480, argmax over 12 outputs, mean over 11 "
      "classes of one confusion matrix; what is predicted where the truth is "
      "void counts as false, and in test/miou, the usual one, does not count"
    ),
    metric="test/miou_void",
    tolerance=0.001,
    target=0.5566,
    within=0.001,
    data="camvid",
    overrides={"dataset": "camvid"},
    also=("test/miou", "test/class_accuracy", "test/global_accuracy"),
    seconds=300,
  ),
  _published(
    "imported_lenet_mnist",
    "csinva:lenet",
    "csinva-lenet/lenet_epoch=12_test_acc=0.991.pth",
    sha256="7b3591ba5a63752a7e728d7f7e511266556a2ec66844810da9f475e07019b85e",
    dataset="mnist",
    reference="mnist_lenet5_csinva",
    protocol="10,000 test images, resized to 32 x 32, a published file",
    tolerance=0.0005,  # of three digits
    target=0.9907,
    within=EXAMPLE,
    data="mnist",
    overrides={
      "dataset": "mnist",
      "channels": "1",
      "eval_batch_size": "500",
    },
  ),
  _cifar(
    "imported_resnet20_cifar10",
    "akamaster:resnet20",
    "akamaster-resnet/resnet20-12fca82f.th",
    sha256="12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8",
    reference="cifar10_resnet20_akamaster",
    target=0.8103,
  ),
  _cifar(
    "imported_resnet32_cifar10",
    "akamaster:resnet32",
    "akamaster-resnet/resnet32-d509ac18.th",
    sha256="d509ac1820d7f25398913559d7e81a13229b1e7adc5648e3bfa5e22dc137f850",
    reference="cifar10_resnet32_akamaster",
    target=0.8256,
  ),
  _cifar(
    "imported_resnet8_cifar10",
    "mlperf_tiny:resnet8",
    "mlperf-tiny-resnet8/pretrainedResnet.h5",
    sha256="5f938a8eea605438cc7360aa13c987bc6d7bd0c8d931b2917361ae7ae4eeda2f",
    reference="cifar10_resnet8_mlperf_tiny",
    target=0.7548,
  ),
  _published(
    "imported_vae_mnist",
    "csinva:vae",
    "csinva-vae/vae_epoch_25.pth",
    sha256="233916a8095759cf732f4dc19c381bc8de03d97040e68f4252a257a5502a9c70",
    task="generation",
    dataset="mnist",
    reference="",
    protocol=(
      "10,000 test images, grey levels as probabilities: cross-entropy by the "
      "mean code, and the divergence, in nats"
    ),
    metric="test/nll_mean_code",
    unit="nats",
    higher_is_better=False,
    tolerance=0.0,
    target=94.920,
    within=0.001,
    data="mnist",
    overrides={"dataset": "mnist"},
    also=("test/negative_elbo", "test/kl"),
    differs="its authors publish no number",
  ),
)

SUITES = {"imported": IMPORTED}
