"""Rows of published files that make images cleaner, or larger.

A target is what the same file gave on the same images in a rebuild by other
code, within 0.03 dB, which is what another draw of the noise may change.
"""

from benchmarks.row import Row

DECIBEL = 0.03
FILES = {
  "kair:dncnn_25": (
    "kair-dncnn25/dncnn_25.pth",
    "0451a70de9b672ae037270498fbb1c17a1c1c4403785df586ff65df5b858e5b0",
  ),
  "saoyan:dncnn_s_25": (
    "saoyan-dncnn-s/net_25.pth",
    "65f0f0ea16d667274a75a7eec19950b22e752007c8a3147831b2d5441bd62920",
  ),
  "saoyan:dncnn_s_50": (
    "saoyan-dncnn-s/net_50.pth",
    "dfdd4d9b10e50d466a48f15f4aaa0ba0ccfa4b71fc80b5ccbcecddce8e69a50e",
  ),
  "keras:dncnn_25": (
    "dncnn-keras25/model.h5",
    "40fd9da4ce44ba03b3e75c41a17d508f96510b8608948464e10c8784de8e2800",
  ),
  "imdn:imdn_x2": (
    "imdn/IMDN_x2.pth",
    "740b39653592bd3f49955a21cd9e16f2d37f2c413368cc09327601b8fbe42ce1",
  ),
  "imdn:imdn_rtc": (
    "imdn/model_RTC.pth",
    "5696ca25971477a93f2a3f3b235039e30afefff1bb560efdc48c0f880635a2ab",
  ),
  **dict.fromkeys(
    ("carn:carn_m_x2", "carn:carn_m_x3", "carn:carn_m_x4"),
    (
      "carn-m/carn_m.pth",
      "d48a759a84509351facb6b7c6d5bd6edec98b98519b8c464ee4ab44d2ba964ff",
    ),
  ),
}
LATER = "the published file is of a later training than the paper's"


def _row(source: str, data: str, target: float, **more) -> Row:
  """A row of a published file on one set of images."""
  file, sha256 = FILES[source]
  model, name = source.split(":")[1], data.lower()
  options = {
    "reference": f"{name}_{model}",
    "tolerance": DECIBEL,
    "overrides": {"tests": data},
    "seconds": 60,
  } | more
  return Row(
    name=f"imported_{source.replace(':', '_')}_{name}",
    config="configs/restoration/imported.py",
    source=source,
    file=file,
    sha256=sha256,
    dataset=data,
    metric=f"{name}/psnr",
    also=(f"{name}/ssim",),
    unit="dB",
    target=target,
    within=DECIBEL,
    data="restoration",
    seeds=1,
    **options,
  )


def _denoised(source: str, data: str, target: float, level=25, **more) -> Row:
  overrides = {"tests": data, "sigma": str(level)}
  protocol = (
    f"{data}, grey: noise of {level} of 255, of one seed and not clipped; what "
    "is restored is clipped; mean PSNR of the images"
  )
  return _row(
    source, data, target, overrides=overrides, protocol=protocol, **more
  )


def _enlarged(source: str, data: str, target: float, **more) -> Row:
  protocol = (
    f"{data}: made smaller by MATLAB's bicubic; what is restored is rounded; "
    "luma of 16 to 235, without as many pixels at the border as the scale; "
    "mean PSNR of the images"
  )
  return _row(source, data, target, protocol=protocol, **more)


ROWS = (
  _denoised("kair:dncnn_25", "BSD68", 29.226, seconds=400),
  _denoised("kair:dncnn_25", "Set12", 30.425),
  _denoised("saoyan:dncnn_s_25", "Set12", 30.383),
  _denoised("saoyan:dncnn_s_50", "Set12", 27.135, 50),
  _denoised("saoyan:dncnn_s_25", "BSD68", 29.211, seconds=400),
  _denoised("saoyan:dncnn_s_50", "BSD68", 26.219, 50, seconds=400),
  _denoised(
    "keras:dncnn_25",
    "Set12",
    30.443,
    reference="",
    differs="its authors publish BSD68 alone",
  ),
  _enlarged("imdn:imdn_x2", "Set5", 38.006, seconds=120),
  _enlarged("imdn:imdn_x2", "Set14", 33.638, seconds=300),
  _enlarged(
    "imdn:imdn_rtc",
    "Set5",
    37.320,
    reference="",
    differs="its authors publish no number",
  ),
  _enlarged("carn:carn_m_x2", "Set5", 37.695, differs=LATER, seconds=120),
  _enlarged("carn:carn_m_x3", "Set5", 34.068, differs=LATER, seconds=120),
  _enlarged("carn:carn_m_x4", "Set5", 31.881, differs=LATER, seconds=120),
)

SUITES = {"imported": ROWS}
