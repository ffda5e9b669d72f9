"""The net on decorrelated patches: its basis, its first kernels, views."""

import jax
import jax.numpy as jnp
import numpy as np
from skimage.data import astronaut

from vision_jax.models.backbones.decorrelated import (
  DecorrelatedCNN,
  identity,
  patch_basis,
)
from vision_jax.ops.views import Views
from vision_jax.tasks.classification import Classification


def test_the_basis_is_orthonormal_and_decorrelates_a_photograph():
  basis = patch_basis().reshape(12, 12)
  np.testing.assert_allclose(basis.T @ basis, np.eye(12), atol=1e-12)
  image = astronaut() / 255
  windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2), (0, 1))
  patches = windows.transpose(0, 1, 3, 4, 2).reshape(-1, 12)
  beside = lambda x: np.abs(np.corrcoef(x.T) - np.eye(12)).mean()
  assert beside(patches @ basis) < 0.25 * beside(patches)


def test_kernels_begin_as_the_identity_of_what_they_see():
  kernel = identity(jax.random.key(0), (3, 3, 4, 6))
  x = jax.random.normal(jax.random.key(1), (1, 5, 5, 4))
  dims = ("NHWC", "HWIO", "NHWC")
  y = jax.lax.conv_general_dilated(
    x, kernel, (1, 1), "SAME", dimension_numbers=dims
  )
  np.testing.assert_allclose(y[..., :4], x, rtol=1e-6)
  assert float(jnp.std(y[..., 4:])) > 0.1


def test_views_average_the_logits_of_an_image_and_its_mirror_image():
  task = Classification(DecorrelatedCNN(3, (4,)))
  image = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
  batch = {"image": image, "label": jnp.zeros(2, jnp.int32)}
  params, stats = task.init(jax.random.key(1), batch)
  plain = lambda x: task.predict(params, stats, batch | {"image": x}, None)
  seen = task.seen(Views(flip=True))(params, stats, batch, None)
  both = [plain(x)["logits"] for x in (image, image[:, :, ::-1])]
  np.testing.assert_allclose(seen["logits"], sum(both) / 2, rtol=1e-5)
  assert not np.allclose(seen["logits"], both[0])
