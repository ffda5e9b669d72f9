"""Classes, boxes, masks, depth and numbers."""

from benchmarks.concept import Concept

METRICS = "tests/metrics/test_metrics_"
SEGMENT = "vision_jax.models.segmentation."

CONCEPTS = (
  Concept(
    "precision, recall and F1",
    "vision_jax.metrics.decisions:PrecisionRecallF1",
    METRICS + "decisions.py::test_averages_over_classes_are_sklearns",
    row="own_images_cpu",
  ),
  Concept(
    "ROC curve and the area under it",
    "vision_jax.metrics.curves:Curves",
    METRICS + "curves.py::test_two_classes",
    row="clouds_classifier",
  ),
  Concept(
    "IoU",
    "vision_jax.ops.boxes:pairwise_iou",
    "tests/ops/test_boxes.py::test_overlaps_equal_plain_loops",
    row="digit_scenes_detr",
  ),
  Concept(
    "non-maximum suppression (NMS)",
    "vision_jax.inference.merging:merge_boxes",
    "tests/inference/test_predict_tiled.py::test_boxes_are_merged_as_by_loops",
    "--mode=predict --workdir=WORKDIR --images=PHOTOS --output=OUT --tile=512",
    number="of 60 boxes those that overlap by less than 0.3",
  ),
  Concept(
    "average precision (AP)",
    "vision_jax.metrics.coco:coco_ap",
    METRICS + "coco.py::test_coco_metrics_equal_pycocotools",
    row="own_boxes_cpu",
  ),
  Concept(
    "matching without anchors (DETR)",
    "vision_jax.ops.matching:match",
    "tests/ops/test_matching.py::test_equals_scipy",
    row="digit_scenes_detr",
  ),
  Concept(
    "a classifier as a map: sliding, convolutional",
    "vision_jax.tasks.maps:WindowMaps",
    "tests/tasks/test_maps.py::"
    "test_the_convolutional_map_is_the_slid_one_at_the_windows",
    row="clouds_classifier",
  ),
  Concept(
    "fully convolutional net (FCN)",
    SEGMENT + "windows:WindowFCN",
    "tests/tasks/test_maps.py::test_the_nets_on_masks_have_the_classifiers_layers",
    row="clouds_fcn",
  ),
  Concept(
    "U-Net",
    SEGMENT + "unet:UNet",
    "tests/models/test_models_segmentation.py::test_unet_equals_torch",
    row="clouds_unet",
  ),
  Concept(
    "mean IoU",
    "vision_jax.metrics.segmentation:Segmentation",
    METRICS + "segmentation.py::test_miou_equals_torchmetrics",
    row="camvid_unet_cpu",
  ),
  Concept(
    "Dice",
    "vision_jax.losses.segmentation:soft_dice",
    "tests/losses/test_segmentation_losses.py::test_overlap_of_classes_by_hand",
    row="own_masks_cpu",
  ),
  Concept(
    "Jaccard loss",
    "vision_jax.losses.segmentation:soft_jaccard",
    "tests/test_arithmetic.py::test_jaccard_loss_by_hand",
    "--config=configs/segmentation/folder_unet.py --config.data_dir=MY_DATA "
    "--config.loss=jaccard",
    number="0.5, of 0.9, 0.2, 0.6, 0.1 against 1, 0, 1, 1",
  ),
  Concept(
    "depth of one image",
    "vision_jax.losses.depth:scale_invariant_log",
    "tests/tasks/test_depth.py::test_the_loss_is_that_of_all_pairs",
    row="scenes_depth_cpu",
  ),
  Concept(
    "regression: L1, L2, Huber",
    "vision_jax.losses.regression:huber",
    "tests/losses/test_regression_losses.py::test_losses_are_torchs",
    "--config=configs/regression/roads_cnn.py --config.loss=huber",
    number="delta 0.7",
  ),
  Concept(
    "a mixture of Gaussians, and its calibration",
    "vision_jax.metrics.regression:MixtureCalibration",
    METRICS + "regression.py::"
    "test_calibration_of_a_mixture_that_is_right_and_of_one_too_sure",
    "--config=configs/regression/roads_cnn.py --config.loss=mixture",
    number="0.9 within the interval of nine tenths, to 0.005",
  ),
  Concept(
    "calibration of a classifier",
    "vision_jax.metrics.calibration:CalibrationError",
    METRICS + "classification.py::test_calibration_error_is_torchmetrics",
    "--config=configs/classification/folder_resnet18.py "
    "--config.data_dir=MY_DATA",
    number="torchmetrics' of 15 bins, to 1e-6",
  ),
  Concept(
    "Lovász loss",
    "vision_jax.losses.segmentation_ranked:lovasz_softmax",
    "tests/losses/test_segmentation_ranked.py::"
    "test_lovasz_of_sure_predictions_is_one_minus_iou",
    "--config=configs/segmentation/folder_unet.py --config.data_dir=MY_DATA "
    "--config.loss=lovasz",
    number="1 less IoU where predictions are sure",
  ),
  Concept(
    "hard examples (OHEM)",
    "vision_jax.losses.segmentation_ranked:hardest_cross_entropy",
    "tests/losses/test_segmentation_ranked.py::"
    "test_ohem_is_the_mean_over_the_hardest_of_torch",
    "--config=configs/segmentation/folder_unet.py --config.data_dir=MY_DATA "
    "--config.loss=ohem",
    number="pixels less sure than 0.7",
  ),
  Concept(
    "classes by their names (CLIP)",
    "vision_jax.models.text.zero_shot",
    "tests/interop/test_clip.py::"
    "test_classes_by_their_names_are_means_of_their_descriptions",
    "--mode=predict --workdir=WORKDIR --images=PHOTOS --output=OUT",
    number="means of 2 descriptions, to 1e-5",
  ),
)
