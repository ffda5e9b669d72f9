"""Layers and nets."""

from benchmarks.concept import Concept

LAYERS = "vision_jax.layers."
BACKBONES = "vision_jax.models.backbones."
BY_HAND = "tests/test_arithmetic.py::test_"
TESTS = "tests/layers/test_layers_"
CLASSIFY = "--config=configs/classification/"

CONCEPTS = (
  Concept(
    "convolution",
    LAYERS + "conv:Conv",
    BY_HAND + "a_convolution_by_hand",
    CLASSIFY + "mnist_lenet.py",
    number="9, 24 / 6, 3",
  ),
  Concept(
    "cross-correlation, and a flipped kernel",
    "vision_jax.ops.filters:correlate",
    BY_HAND + "layers_cross_correlate_where_scipy_convolves",
    "--mode=filter --images=PHOTOS --filters=sobel --output=OUT",
    number="3, of scipy's convolution its negative",
  ),
  Concept(
    "convolution arithmetic: size, kernel, stride",
    LAYERS + "conv:convolve",
    BY_HAND + "sides_of_a_convolution",
    "vision_jax.models --layers=configs/classification/mnist_lenet.py",
    number="256 by 5 with stride 2: 126; 32 by 5: 28; 6 by 3: 4",
  ),
  Concept(
    "weights of a dense and of a convolutional layer",
    LAYERS + "dense:Dense",
    BY_HAND + "weights_of_a_dense_unit_and_of_a_convolution",
    "vision_jax.models --layers=configs/classification/mnist_cnn.py",
    number="150,528 a unit; 1,728, with biases 1,792",
  ),
  Concept(
    "pooling",
    LAYERS + "conv:max_pool",
    f"{BY_HAND}a_pooling_by_hand, {BY_HAND}sides_of_a_pooling",
    CLASSIFY + "mnist_cnn.py",
    number="6, 5 / 7, 9",
  ),
  Concept(
    "dilated convolution",
    "vision_jax.models.segmentation.espnet:EspBlock",
    "tests/interop/test_espnet.py::test_it_has_the_published_size",
    row="imported_espnet_camvid",
  ),
  Concept(
    "depthwise and grouped convolution",
    "vision_jax.ops.grouped:depthwise",
    "tests/layers/test_layers_conv_groups.py::test_groups_equal_torch_in_float64",
    row="camvid_lraspp_cpu",
  ),
  Concept(
    "transposed convolution",
    LAYERS + "upsample:TransposedConv",
    "tests/models/test_models_segmentation.py::"
    "test_transposed_convolution_equals_torch",
    row="t91_fsrcnn_x3",
  ),
  Concept(
    "unpooling",
    LAYERS + "upsample:max_unpool",
    "tests/models/test_models_segmentation.py::test_unpooling_equals_torch",
    row="camvid_enet_cpu",
  ),
  Concept(
    "sub-pixel convolution",
    LAYERS + "upsample:pixel_shuffle",
    "tests/layers/test_layers_upsample_order.py::test_it_is_torchs_pixel_shuffle",
    row="imported_imdn_imdn_x2_set5",
  ),
  Concept(
    "batch normalisation",
    LAYERS + "norm:BatchNorm",
    f"{TESTS}norm.py::test_equals_torch, {TESTS}norm.py::"
    "test_masked_equals_the_unmasked_subset",
    row="mnist_cnn",
  ),
  Concept(
    "group normalisation",
    LAYERS + "group_norm:GroupNorm",
    "tests/tasks/test_diffusion.py::test_group_norm_is_torchs",
    row="digits_ddpm",
  ),
  Concept(
    "dropout",
    LAYERS + "stochastic:Dropout",
    TESTS + "stochastic.py::test_rate_and_scale",
    "--config=configs/detection/coco_detr_r50.py --config.dropout=0.1",
    number="of a rate of 0.25 the rest is divided by 0.75",
  ),
  Concept(
    "skip connection",
    BACKBONES + "resnet:ResNet",
    "tests/models/test_models.py::test_a_new_residual_branch_is_the_identity",
    row="own_images_cpu",
  ),
  Concept(
    "attention",
    LAYERS + "attention:Attention",
    TESTS + "attention.py::test_attention_equals_torch, "
    f"{BY_HAND}tokens_of_a_vit",
    CLASSIFY + "imagenet_vit_s16.py",
    number="38,416 pairs, with the class token 38,809",
  ),
  Concept(
    "patches as tokens (ViT)",
    BACKBONES + "vit:ViT",
    BY_HAND + "tokens_of_a_vit",
    CLASSIFY + "mnist_vit.py",
    number="196 patches of 768 values",
  ),
  Concept(
    "positions of tokens",
    LAYERS + "embeddings:sincos2d",
    TESTS + "attention.py::test_sincos_positions_by_their_formula",
    CLASSIFY + "cifar10_vit.py",
    number="wavelengths up to 10,000",
  ),
  Concept(
    "shifted windows (Swin)",
    BACKBONES + "swin:Swin",
    "tests/models/test_swin.py::test_a_shifted_window_does_not_join_opposite_sides",
    "vision_jax.models --filter=swin",
    number="windows of 4 in 8 by 4 pixels",
  ),
  Concept(
    "multi-layer perceptron",
    BACKBONES + "mlp:MLP",
    "tests/models/test_models.py::test_logits_are_float32",
    row="robust_mlp",
  ),
  Concept(
    "LeNet",
    BACKBONES + "lenet:LeNet5",
    "tests/models/test_models.py::test_parameters_are_the_published_ones",
    row="mnist_lenet",
  ),
  Concept(
    "VGG",
    BACKBONES + "vgg:VGG",
    BY_HAND + "vgg_19",
    "vision_jax.models --filter=VGG",
    number="20,024,384 weights in features, 143,667,240 in all",
  ),
  Concept(
    "a first net, of CNN Explainer and of Keras",
    LAYERS + "conv",
    f"{BY_HAND}the_net_of_cnn_explainer, {BY_HAND}a_first_net_in_keras",
    CLASSIFY + "digits_cnn.py",
    number="19,920, 52,010 and 50,890 weights",
  ),
  Concept(
    "squeeze and excitation",
    LAYERS + "squeeze_excitation:SqueezeExcitation",
    "tests/interop/test_convolutional.py::test_mobilenet_v3",
    row="camvid_lraspp_cpu",
  ),
  Concept(
    "stochastic depth",
    LAYERS + "stochastic:StochasticDepth",
    f"{TESTS}stochastic.py::test_rate_and_scale",
    CLASSIFY + "cifar10_vit.py --config.drop_path=0.1",
    number="of a rate of 0.25 the rest is divided by 0.75",
  ),
  Concept(
    "bilinear interpolation",
    LAYERS + "interpolate:bilinear",
    "tests/models/test_models_deeplab.py::test_interpolation_is_torchs",
    row="camvid_lraspp_cpu",
  ),
  Concept(
    "spectral normalisation",
    LAYERS + "spectral_norm:SpectralConv",
    "tests/tasks/test_gan.py::test_spectral_norm_approaches_the_exact_one",
    "vision_jax.models --layers=configs/generation/cifar10_dcgan.py",
    number="the exact one's to 1e-4, after 100 updates",
  ),
)
