"""What nets see, and before nets."""

from benchmarks.concept import Concept

EXPLAIN = "tests/explain/test_explain_methods.py::test_"
FILTERS = "tests/ops/test_filters.py::test_"
LOOK = "--mode=explain --workdir=WORKDIR --images=PHOTOS --output=OUT"
DRAW = "--mode=filter --images=PHOTOS --output=OUT --filters="

CONCEPTS = (
  Concept(
    "Grad-CAM",
    "vision_jax.explain.gradcam",
    f"{EXPLAIN}gradcam_is_torchs_by_hand, "
    f"{EXPLAIN}gradcam_of_a_mean_and_a_linear_head_is_cam",
    LOOK + " --method=gradcam",
    number="torch's to 1e-5",
  ),
  Concept(
    "attention rollout",
    "vision_jax.explain.attention",
    EXPLAIN + "rollout_is_the_product_of_attentions",
    LOOK + " --method=attention",
    number="the product's to 1e-5",
  ),
  Concept(
    "Gaussian filter, unsharp mask",
    "vision_jax.ops.filters:gaussian",
    FILTERS + "gaussian_and_unsharp_mask",
    DRAW + "gaussian,unsharp",
    number="OpenCV's at 0.8 pixels, SciPy's at 1.3",
  ),
  Concept(
    "Sobel",
    "vision_jax.ops.filters:sobel",
    FILTERS + "sobel",
    DRAW + "sobel",
    number="OpenCV's with kernels of 3",
  ),
  Concept(
    "Canny, hysteresis",
    "vision_jax.ops.filters:canny",
    f"{FILTERS}canny_is_scikit_images, {FILTERS}hysteresis_by_hand",
    DRAW + "canny",
    number="1e-3 of pixels differ at most",
  ),
  Concept(
    "compass of eight directions",
    "vision_jax.ops.filters:compass",
    FILTERS + "compass_is_of_eight_directions",
    DRAW + "kirsch",
    number="8 kernels, each of sum 0",
  ),
  Concept(
    "HOG",
    "vision_jax.ops.descriptors:hog",
    "tests/ops/test_descriptors.py::test_hog_is_scikit_images",
    "benchmarks.classical --dataset=mnist --methods=hog+svm --output=OUT",
    number="scikit-image's to 2e-6",
  ),
  Concept(
    "Gabor filters",
    "vision_jax.ops.descriptors:gabor",
    "tests/ops/test_descriptors.py::test_gabor_is_scikit_images_and_scipys",
    "benchmarks.classical --dataset=mnist --methods=gabor+svm --output=OUT",
    number="scikit-image's to 2e-3",
  ),
  Concept(
    "support vector machine, random forest",
    "benchmarks.classical.learners",
    "tests/benchmarks/test_classical.py::test_descriptors_are_measured_once",
    "benchmarks.classical --dataset=digits "
    "--methods=hog+svm,pixels+forest --output=OUT",
    number="above 0.92 and 0.85 of 300 digits",
  ),
  Concept(
    "a learned first layer",
    "vision_jax.explain.filters",
    "tests/command/test_filter_mode.py::test_a_learned_layer_beside_them",
    DRAW + "sobel --workdir=WORKDIR",
    number="a cell of 20 by 30 pixels",
  ),
  Concept(
    "counting multiply-adds",
    "vision_jax.models.count",
    "tests/models/test_models_count.py::test_multiply_adds_are_torchvisions",
    "vision_jax.models --filter=resnet",
    number="torchvision's to 3 digits",
  ),
)
