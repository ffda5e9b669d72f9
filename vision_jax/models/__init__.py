"""Models: `model(x, train=..., mask=None)` on images (b, h, w, c), NHWC.

Compute is in the field `dtype`; parameters and logits are float32. `mask` (b,)
says which examples count in BatchNorm. `python -m vision_jax.models` lists
them with parameters and multiply-adds.
"""
