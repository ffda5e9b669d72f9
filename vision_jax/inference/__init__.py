"""What a trained workdir is for: metrics, predictions, samples.

`vision_jax.inference.load` is where one begins; it is found when it is asked
for, as it imports jax.
"""


def __getattr__(name: str) -> object:
  if name in ("Trained", "load"):
    from vision_jax.inference import trained

    return getattr(trained, name)
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
