"""What a CPU's convolutions pack, by a program's text."""

import jax
import jax.numpy as jnp

from vision_jax.planning.packing import packed_bytes


def convolved(x, kernel):
  names = ("NHWC", "HWIO", "NHWC")
  return jax.lax.conv_general_dilated(
    x, kernel, (1, 1), "SAME", dimension_numbers=names
  )


def text_of(fn, *shapes):
  arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
  return jax.jit(fn).lower(*arrays).compile().as_text()


def test_the_patches_part_by_part_and_the_kernel():
  x, kernel = (8, 28, 28, 32), (3, 3, 32, 16)
  patches = 8 * 28 * 28 * 9 * 32
  forward = 4 * (patches // 8 + 9 * 32 * 16)
  assert packed_bytes(text_of(convolved, x, kernel)) == forward
  # By the kernel the gradient is the kernel, by the images the patches are 16.
  loss = lambda x, kernel: convolved(x, kernel).sum()
  both = text_of(jax.grad(loss, (0, 1)), x, kernel)
  by_kernel = 4 * (patches // 8 + 8 * 28 * 28 * 16)
  by_images = 4 * (patches // 2 // 8 + 9 * 16 * 32)
  assert packed_bytes(both) == by_kernel + by_images


def test_products_pack_nothing():
  assert packed_bytes(text_of(jnp.dot, (64, 32), (32, 16))) == 0
