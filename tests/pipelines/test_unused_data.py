"""Data of one's own that a config does not read are named, wherever they go."""

import pytest

from vision_jax.recipe import recipe

MINE = "/my/data"


@pytest.mark.parametrize(
  ("config", "key", "what"),
  [
    ("captions/scenes_coca.py", "data_dir", "captioned scenes"),
    ("classification/mnist_lenet.py:tiny", "data_dir", "scikit-learn's digits"),
    ("depth/scenes_depth.py", "images", "generated scenes"),
    ("detection/bccd_fcos.py:tiny", "data_dir", "digit scenes"),
    ("generation/scenes_text.py", "data_dir", "captioned digits"),
    ("instance/nuclei_stardist.py:tiny", "masks", "generated discs"),
    ("reading/mnist_crnn.py:tiny", "data_dir", "scikit-learn's digits"),
    ("regression/roads_cnn.py", "data_dir", "generated roads"),
    ("restoration/t91_srcnn.py:tiny", "data_dir", "digit scenes"),
    ("segmentation/camvid_enet.py:tiny", "masks", "digit scenes"),
    ("segmentation/clouds_fcn.py", "data_dir", "generated clouds"),
    ("skeletons/actions_stgcn.py", "data_dir", "generated skeleton actions"),
    ("style/folder_adain.py:tiny", "images", "bundled photographs"),
    ("translation/folder_pix2pix.py:tiny", "data_dir", "edges of digits"),
    ("video/digits_r3d.py", "data_dir", "generated moving digits"),
  ],
)
def test_what_is_not_used_is_named_once(config, key, what, caplog):
  path = f"configs/{config}"
  recipe.load(path, {}, resolve=False).build()
  assert "not used" not in caplog.text
  recipe.load(path, {key: MINE}, resolve=False).build()
  (line,) = [x for x in caplog.messages if "not used" in x]
  assert line.startswith(
    f"--config.{key}={MINE}: not used. The data are {what}"
  )
