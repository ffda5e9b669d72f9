"""Values of a config: set from text, and held to what they can mean."""

import ast
import difflib
import math
from collections.abc import Callable, Mapping

import ml_collections

from vision_jax.errors import UserError
from vision_jax.paths import CONFIG_KEYS, absolute

# What a config holds under a key, in JSON a tuple is a list.
Value = bool | int | float | str | list | tuple | None
Test = Callable[[float], bool]
NATURAL = ("at least 1", lambda x: x >= 1 or (isinstance(x, float) and x > 0))
NOT_NEGATIVE = ("0 or more", lambda x: x >= 0)
POSITIVE = ("more than 0", lambda x: x > 0)
SHARE = ("0 to 1", lambda x: 0 <= x <= 1)
BELOW_ONE = ("0 or more and below 1", lambda x: 0 <= x < 1)

# What numbers of these names may be, in any config; in a tuple each of them.
# A dotted name goes before its last part.
RANGES: dict[str, tuple[str, Test]] = {
  "seed": ("0 to 4294967295", lambda x: 0 <= x < 2**32),
  **dict.fromkeys(
    (
      *("accumulate", "batch_size", "eval_batch_size", "steps", "keep_best"),
      *("attention", "components", "samples"),
      *("blocks", "channels", "decoder_layers", "depth", "features", "groups"),
      *("glyph_size", "heads", "hidden", "image_size", "latent", "layers"),
      *("letters", "max_boxes", "test_letters"),
      *("multipliers", "num_classes", "num_queries", "patch", "r1_every"),
      *("sampling_steps", "slide", "stages", "times", "width", "window"),
      "other_steps",
      *("batch_classes", "growth", "rates", "support"),
      *("kernels", "narrow", "probe_examples", "repeats", "widths"),
      *("embedding", "length", "episode_shots", "episode_queries"),
      *("frames", "temporal_depth", "temporal_kernel", "tubelet"),
      *("bottleneck", "codes", "convs", "decoder_width", "prototypes"),
      *("cut", "grid", "num_anchors", "rays", "reach"),
      *("judge_layers", "judge_width", "load_size"),
      *("anchor_size", "candidates", "detections", "drawn_anchors"),
      *("drawn_proposals", "max_objects", "points", "proposals"),
      *("head_features", "painting_size", "path_every", "residual_width"),
      *("canvas", "given_size", "reader_steps"),
    ),
    NATURAL,
  ),
  **dict.fromkeys(
    (
      *("log_every", "eval_every", "save_every", "keep_every", "threads"),
      *("backbone_rate", "bound_terms", "clip", "crop", "cutout", "degrees"),
      *("discriminator_lr", "encoder_layers", "eval_examples", "examples"),
      *("generator_lr", "guidance", "holdout", "jitter", "lr", "mixup", "only"),
      *("norm_group", "r1", "scenes", "score_examples", "score_samples"),
      *("beta", "class_weights", "drop_at", "epochs", "ignore_values", "level"),
      *("bands", "lora", "mask_values", "shots", "show_bands", "strengths"),
      "warmup",
      "weight_decay",
      *("margin", "sigma", "sigma_most", "shared", "spread", "tiles"),
      *("auxiliary", "boundary_pixels", "loss_weights", "trimap_pixels"),
      *("denoising", "levels", "more_levels", "noise"),
      *("distance_weight", "overlap", "shift", "stretch", "strings"),
      *("adversarial", "clips", "cycle", "identity", "l1", "pool"),
      *("begin", "perceptual"),
      *("power", "target_guidance"),
      *("least_points", "mask_points", "mirrored"),
      *("contraction", "path", "sparsity"),
      *("content_weight", "style_weight", "variation_weight"),
    ),
    NOT_NEGATIVE,
  ),
  **dict.fromkeys(
    (
      *("anchors", "crop_ratio", "delta", "depth_unit"),
      *("logit_scale", "lora_alpha"),
      "deviation",
      "teacher_temperature",
      *("scale", "std", "temperature", "tta_scales", "typical"),
      *("canonical", "residual_scale", "sigmas"),
    ),
    POSITIVE,
  ),
  **dict.fromkeys(
    ("expansion", "scales"),
    ("above 0 and at most 1", lambda x: 0 < x <= 1),
  ),
  **dict.fromkeys(
    (
      *("crop_probability", "drop_label", "flip", "flip_vertical"),
      *(
        "invariance",
        "layer_decay",
        "ohem_share",
        "ohem_threshold",
        "rise",
        "smoothing",
      ),
      *("gray", "hold", "ignore", "momentum", "mosaic", "sure", "textures"),
      *("drops", "instant", "mixing", "style_alpha"),
      "whole",
    ),
    SHARE,
  ),
  "alpha": ("0 or more and below a half", lambda x: 0 <= x < 0.5),
  "centre": ("a finite number", math.isfinite),
  "preprocess.size": NATURAL,
  "preprocess.resize": (
    "-1, which is the source's, or more",
    lambda x: x >= -1,
  ),
  "preprocess.largest": NOT_NEGATIVE,
  "augment.rotation": ("0 to 180", lambda x: 0 <= x <= 180),
  "augment.hue": ("0 to 0.5", lambda x: 0 <= x <= 0.5),
  **dict.fromkeys(
    ("augment.translation", "augment.noise", "augment.erasing"), SHARE
  ),
  **dict.fromkeys(
    (
      *("augment.crop", "augment.crop_ratio", "augment.scale"),
      *("augment.brightness", "augment.contrast", "augment.saturation"),
    ),
    NOT_NEGATIVE,
  ),
  **dict.fromkeys(
    (
      *("attention_dropout", "b1", "b2", "balance_beta", "dropout"),
      *("codebook_decay", "drop_path", "ema", "least", "masked", "missing"),
      "restart",
    ),
    BELOW_ONE,
  ),
}
CHOICES = {
  "augment.flip": ("horizontal", "vertical", "both", "0", ""),
  "balance_by": ("median_frequency", "effective_number"),
  "bits": (8, 16, 32),
  "direction": ("ab", "ba"),
  "dtype": ("float32", "bfloat16", "float16"),
  "on_bad_image": ("error", "skip"),
  "on_shared": ("error", "keep"),
  "remat": ("none", "blocks", "dots"),
  "test_moments": ("running", "image"),
}
# What the data say where this word stands, as a run begins.
MEASURED = "measured"
_MEASURABLE = ("mean", "std")
# Why a config may have no such key, where that says more than the nearest.
ABSENT = {
  "remat": (
    "the model of this config has no blocks to compute again. Use a smaller "
    "--config.batch_size, or split each batch by --config.accumulate."
  )
}


def override(
  config: ml_collections.ConfigDict, values: Mapping[str, str]
) -> None:
  """Sets `a.b` -> text in place, keeping each value's type; checks them all.

  Local paths become absolute, those that the config itself gives too.

  Raises:
    UserError: for an unknown key (with the nearest), another type, or a value
      that its name cannot have.
  """
  known = flat(config.to_dict())
  for key, text in values.items():
    if key not in known and key in ABSENT:
      raise UserError(f"--config.{key}: got {text!r:.200}; {ABSENT[key]}")
    if key not in known:
      near = difflib.get_close_matches(key, known, 1, 0.0)[0]
      raise UserError(
        f"--config.{key}: no such key; did you mean --config.{near}? "
        f"Expected one of {', '.join(sorted(known))}."
      )
    put(config, key, _parse(key, text, known[key]))
  for key, value in flat(config.to_dict()).items():
    if _last(key) in CONFIG_KEYS and isinstance(value, str):
      put(config, key, absolute(value))
    check(key, value)


def check(key: str, value: Value) -> None:
  """Refuses a value that means nothing under its name.

  Raises:
    UserError: with what, got and expected.
  """
  name = _last(key)
  each = value if isinstance(value, list | tuple) else (value,)
  allowed = RANGES.get(key) or RANGES.get(name)
  choices = CHOICES.get(key) or CHOICES.get(name)
  for x in each:
    number = isinstance(x, int | float) and not isinstance(x, bool)
    if number and not math.isfinite(x):
      _refuse(key, value, "a finite number")
    if number and allowed and not allowed[1](x):
      _refuse(key, value, allowed[0])
  if choices and value not in choices:
    _refuse(key, value, " or ".join(str(x) or "nothing" for x in choices))
  if name == "class_names" and not all(str(x).strip() for x in each):
    _refuse(key, value, "a name for each class, none of them empty")


def keep_measured(
  config: ml_collections.ConfigDict, kept: Mapping[str, object]
) -> None:
  """Sets what the data would say to what a run has kept of it."""
  for key in _MEASURABLE:
    if key in config and key in kept and config[key] in ((), (MEASURED,)):
      config[key] = tuple(kept[key])


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, Value]:
  """Returns nested values under dotted names."""
  result = {}
  for key, value in values.items():
    if isinstance(value, Mapping):
      result |= flat(value, f"{prefix}{key}.")
    else:
      result[prefix + key] = value
  return result


def _last(key: str) -> str:
  return key.rpartition(".")[2]


def _refuse(key: str, value: Value, expected: str) -> None:
  shown = repr(value)
  shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
  raise UserError(f"--config.{key}: got {shown}; expected {expected}.")


def put(config: ml_collections.ConfigDict, key: str, value: Value) -> None:
  """Sets the value of a dotted name."""
  *parents, last = key.split(".")
  place = config
  for parent in parents:
    place = place[parent]
  place[last] = value


_QUOTED = tuple("(['\"")  # begins what Python reads


def _parse(key: str, text: str, old: Value) -> Value:
  """Reads text as the type of the value that it replaces."""
  kind = type(old)
  if kind is str or old is None:
    return text
  try:
    if kind is bool:
      return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    if kind in (int, float):
      return kind(text)
    if _holds_words(key, old) and text.lstrip()[:1] not in _QUOTED:
      return kind(word.strip() for word in text.split(",")) if text else kind()
    if _last(key) in _MEASURABLE and text.strip() == MEASURED:
      return kind((MEASURED,))
    value = ast.literal_eval(text or "()")
    return kind(value if isinstance(value, list | tuple) else (value,))
  except (KeyError, ValueError, SyntaxError, TypeError):
    raise UserError(
      f"--config.{key}: got {text!r:.200}; expected a value of type "
      f"{kind.__name__}, like {old!r:.200}."
    ) from None


def _holds_words(key: str, old: Value) -> bool:
  """Whether a list is of words, which are given as in `cat,dog`."""
  words = bool(old) and all(isinstance(word, str) for word in old)
  words &= _last(key) not in _MEASURABLE
  lists = (
    *("class_names", "classes", "splits", "tests", "words"),
    *("columns", "keypoint_names", "unseen", "vocabulary"),
  )
  return words or _last(key) in lists
