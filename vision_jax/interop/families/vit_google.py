"""Vision transformers as their authors published them: npz files of JAX."""

from collections.abc import Iterator

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.families.vit import HALF, published
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rule, Rules, Shapes, leaf


def google(shapes: Shapes) -> Rules:
  """The npz files of google-research/vision_transformer and of big_vision.

  They are of JAX: kernels are as ours, but for an axis of heads.
  """
  net = "(?:params/)?"
  block, ours = rf"{net}Transformer/encoderblock_(\d+)", "block{1}"
  either = lambda name, a, b: rf"{block}/{name}_(?:{a}|{b})"
  attention = either("MultiHeadDotProductAttention", 0, 1)
  norms = {"0": "norm1", "[12]": "norm2"}
  return [
    *leaf(f"{net}cls", "cls"),
    *leaf(f"{net}(?:Transformer/posembed_input/)?pos_embedding", "positions"),
    *leaf(f"{net}(embedding|pre_logits|head)/(kernel|bias)", "{1}/{2}"),
    *_joined(f"{attention}/(query|key|value|out)", ours, shapes),
    *leaf(
      rf"{either('MlpBlock', 0, 3)}/Dense_(\d)/(kernel|bias)",
      f"{ours}/mlp/dense{{2+1}}/{{3}}",
    ),
    *leaf(f"{net}Transformer/encoder_norm/(scale|bias)", "norm/{1}"),
    *(
      rule
      for name, path in norms.items()
      for rule in leaf(
        rf"{block}/LayerNorm_{name}/(scale|bias)", f"{ours}/{path}/{{2}}"
      )
    ),
  ]


def _joined(theirs: str, ours: str, shapes: Shapes) -> Iterator[Rule]:
  """An attention's layers, whose heads have an axis of their own."""
  for name in ("kernel", "bias"):
    path = f"params/{ours}/attention/{{2}}/{name}"
    shape = shapes.get(f"params/block0/attention/query/{name}")
    yield Rule(f"{theirs}/{name}", (path,), shape=shape)


def _published() -> Iterator[tuple[str, Published]]:
  for size in ("B_16", "B_32", "L_16", "L_32"):
    yield from _of_size(size)
  yield (
    "google:big_vision/vit_s16",
    published(
      *("S/16", 224, "google", Preprocess(resize=256, **HALF)),
      head="gap",
      positions="sincos2d",
      mlp="gelu_tanh",
    ),
  )


def _of_size(size: str) -> Iterator[tuple[str, Published]]:
  """Those of the paper, and of Steiner et al. (2022), "augreg"."""
  make = lambda side, classes, pre_logits: published(
    *(size.replace("_", "/"), side, "google"),
    Preprocess((side, side), 0, **HALF),
    num_classes=classes,
    pre_logits=pre_logits,
    mlp="gelu_tanh",
  )
  yield f"google:imagenet21k/ViT-{size}", make(224, 21843, True)
  yield f"google:imagenet21k+imagenet2012/ViT-{size}", make(384, 1000, False)
  yield f"google:augreg_i21k/{size}", make(224, 21843, False)
  for side in (224, 384):
    yield f"google:augreg_imagenet2012_{side}/{size}", make(side, 1000, False)


LAYOUTS = {"google": google}
PUBLISHED = dict(_published())
