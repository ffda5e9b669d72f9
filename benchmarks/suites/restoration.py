"""Rows of nets that are trained to make images larger, or cleaner."""

from benchmarks.row import Row

CONFIGS = "configs/restoration/"
ON_LARGER_PARTS = (
  "and averaged weights on larger parts; small images are rounded to 8 bits"
)
ON_DIV2K = (
  "the reference has seen 350,000 images of ImageNet, and not 800; trained "
  "with averaged weights"
)
SRRESNET = "div2k_srresnet"  # a config, and the folder of its run


def _larger(times: str, border: int) -> str:
  return (
    f"{times} times: made smaller by MATLAB's bicubic, as 8-bit colours; what "
    "is restored is rounded; luma of 16 to 235, without "
    f"{border} border pixels; mean PSNR of the images, averaged weights, last "
    "step"
  )


SETS = {"tests": "Set5,Set14"}
_ON_SET5 = {
  "tolerance": 0.2,
  "metric": "set5/ema/psnr",
  "also": tuple(
    f"{data}/ema/{metric}"
    for data in ("set5", "set14")
    for metric in ("psnr", "ssim", "given_psnr")
    if (data, metric) != ("set5", "psnr")
  ),
  "unit": "dB",
  "data": "restoration",
  "seeds": 1,
}


def _on_t91(name: str, target: float, differs: str, seconds: int) -> Row:
  return Row(
    name=f"t91_{name}_x3",
    config=f"{CONFIGS}t91_{name}.py",
    variant="cpu",
    dataset="T91; Set5",
    reference=f"set5_{name}_x3",
    protocol=f"Set5, {_larger('three', 3)}",
    differs=differs,
    overrides=SETS,
    target=target,
    seconds=seconds,
    **_ON_SET5,
  )


def _on_div2k(name: str, differs: str, seconds: int, **more) -> Row:
  return Row(
    name=f"div2k_{name}_x4",
    config=f"{CONFIGS}div2k_{name}.py",
    dataset="DIV2K; Set5",
    reference=f"set5_{name}_x4",
    protocol=f"Set5, {_larger('four', 4)}",
    differs=differs,
    needs="gpu",
    seconds=seconds,
    **{"overrides": SETS, **_ON_SET5, **more},
  )


def _on_train400(name: str, reference: str, target: float, differs: str) -> Row:
  return Row(
    name=f"train400_{name}_25",
    config=f"{CONFIGS}train400_{name}.py",
    dataset="Train400; BSD68",
    reference=reference,
    protocol=(
      "BSD68, grey: noise of 25 of 255, of one seed and not clipped; what is "
      "restored is clipped; mean PSNR of the images, averaged weights"
    ),
    tolerance=0.05,
    differs=differs,
    overrides={"tests": "Set12,BSD68"},
    metric="bsd68/ema/psnr",
    also=("bsd68/ema/ssim", "set12/ema/psnr", "set12/ema/ssim"),
    unit="dB",
    target=target,
    needs="gpu",
    data="restoration",
    seeds=1,
    seconds=7200,
  )


ROWS = (
  _on_t91(
    "srcnn",
    32.2,
    f"trained with Adam {ON_LARGER_PARTS}, with flips, turns and sizes that "
    "its authors do not use",
    3600,
  ),
  _on_t91(
    "fsrcnn",
    32.8,
    f"trained with Muon, with Adam for the last layer, {ON_LARGER_PARTS}",
    3600,
  ),
  _on_div2k("srresnet", ON_DIV2K, 7200),
  _on_div2k(
    "srgan",
    f"{ON_DIV2K}; and by the maps of another file of VGG-19. It is to look "
    "sharp, which PSNR does not measure: SRResNet has 32.05 dB, bicubic 28.43",
    4 * 3600,
    overrides=SETS | {"judge": "$VISION_JAX_DATA/vgg19.pth"},
    file=f"{SRRESNET}/config.json",
    backbone=SRRESNET,
    made_by=(
      f"python -m vision_jax.main --config={CONFIGS}{SRRESNET}.py "
      f"--workdir=FOLDER/{SRRESNET}"
    ),
  ),
  _on_train400(
    "dncnn",
    "bsd68_dncnn_25",
    29.18,
    "trained with averaged weights and another schedule",
  ),
  _on_train400(
    "ffdnet",
    "bsd68_ffdnet_25",
    29.1,
    "the reference has seen 5,544 images, and not 400",
  ),
)

SUITES = {"restoration": ROWS}
