"""Training."""

from benchmarks.concept import Concept

OPTIM = "tests/optim/"
CLASSIFY = "--config=configs/classification/"

CONCEPTS = (
  Concept(
    "cross-entropy",
    "vision_jax.losses.classification:softmax_cross_entropy",
    "tests/losses/test_losses.py::test_values_and_gradients_are_torchs",
    row="digits_cnn",
  ),
  Concept(
    "focal loss",
    "vision_jax.losses.classification:softmax_focal",
    "tests/losses/test_losses.py::test_gamma_zero_is_cross_entropy",
    "--config=configs/segmentation/folder_unet.py --config.data_dir=MY_DATA "
    "--config.loss=focal",
    number="with gamma 0.0 it is cross-entropy, to 1e-6",
  ),
  Concept(
    "weights of rare classes",
    "vision_jax.losses.class_weights:median_frequency_weights",
    "tests/losses/test_segmentation_losses.py::test_median_frequency",
    row="camvid_enet_cpu",
  ),
  Concept(
    "stochastic gradient descent, momentum",
    "vision_jax.optim.optimizers:sgd",
    OPTIM + "test_optim.py::test_steps_are_torchs",
    row="mnist_lenet",
  ),
  Concept(
    "Adam with weight decay",
    "vision_jax.optim.optimizers:adamw",
    OPTIM + "test_optim.py::test_steps_are_torchs",
    row="mnist_dcgan_cpu",
  ),
  Concept(
    "rate schedules, warm-up",
    "vision_jax.optim.schedules:warmup_cosine",
    OPTIM + "test_schedules.py::test_warmup_cosine_is_optaxs",
    row="own_images_cpu",
  ),
  Concept(
    "clipping gradients",
    "vision_jax.optim.optimizers:adamw",
    OPTIM + "test_optim.py::test_clipping_bounds_the_global_norm",
    row="digit_scenes_detr",
  ),
  Concept(
    "averaged weights",
    "vision_jax.core.state:Average",
    "tests/core/test_step.py::test_averages_follow_with_a_decay_that_warms_up",
    row="own_boxes_cpu",
  ),
  Concept(
    "accumulating gradients",
    "vision_jax.core.gradients",
    "tests/core/test_step.py::test_accumulation_gives_the_whole_batch_gradient",
    CLASSIFY + "mnist_cnn.py --config.accumulate=4",
    number="the same update to 1e-6",
  ),
  Concept(
    "overfitting on purpose",
    "vision_jax.tasks.detection:Detection",
    "tests/tasks/test_detection_overfit.py::test_32_scenes_are_learned_by_heart",
    row="digit_scenes_detr_overfit32",
  ),
  Concept(
    "augmentation: shifts, turns, scales",
    "vision_jax.ops.augment.affine:random_affine",
    "tests/ops/test_augment_affine.py::"
    "test_image_mask_and_boxes_are_moved_as_by_scipy",
    row="robust_cnn_augmented",
  ),
  Concept(
    "what nets withstand",
    "vision_jax.pipelines.robustness:robustness",
    "tests/benchmarks/test_robustness_page.py::test_what_is_kept_is_of_the_suite",
    row="robust_cnn",
  ),
  Concept(
    "mixup and CutMix",
    "vision_jax.ops.augment.mix:mixup",
    "tests/ops/test_augment_mix.py::"
    "test_labels_are_mixed_as_much_as_the_images",
    CLASSIFY + "imagenet_vit_s16.py --config.mixup=0.2",
    number="parts of labels are those of pixels to 1e-4",
  ),
  Concept(
    "transfer: fine-tuning",
    "configs.classification.folder_finetune",
    "tests/experiments/test_finetune.py::"
    "test_net_is_the_weights_and_frozen_leaves_stay_bitwise",
    row="transfer_finetune_5shot",
  ),
  Concept(
    "low-rank updates (LoRA)",
    "vision_jax.models.adapted",
    "tests/models/test_adapted.py::"
    "test_is_a_product_added_to_each_kernel_and_merges_into_it",
    CLASSIFY + "folder_finetune.py --config.data_dir=MY_DATA "
    "--config.init_from=WORKDIR --config.lora=4",
    number="the product's to 1e-5",
  ),
  Concept(
    "linear probe, nearest neighbours",
    "vision_jax.transfer.probe",
    "tests/metrics/test_linear.py::"
    "test_logistic_is_scikit_learns, "
    "tests/transfer/test_probe.py::test_votes_are_weighed_as_dinos",
    "--mode=probe --workdir=WORKDIR --shots=5 --dataset=cifar10",
    row="transfer_probe_5shot",
  ),
  Concept(
    "RandAugment",
    "vision_jax.ops.augment.randaugment:rand_augment",
    "tests/ops/test_augment_color.py::"
    "test_the_fourteen_operations_are_pillows_in_one_batch",
    CLASSIFY + "imagenet_vit_s16.py",
    number="14 operations, Pillow's but for a share of 0.02 of the pixels",
  ),
  Concept(
    "random erasing",
    "vision_jax.ops.augment.erase:random_erasing",
    "tests/ops/test_augment_mix.py::test_erasing_keeps_to_area_and_aspect",
    CLASSIFY + "folder_resnet18.py --config.data_dir=MY_DATA "
    "--config.augment.erasing=0.25",
    number="areas of 0.1 to 0.3 of the image",
  ),
  Concept(
    "16 bits (bfloat16)",
    "vision_jax.layers.weights",
    "tests/test_precision.py::test_twenty_steps_end_near_float32",
    CLASSIFY + "mnist_cnn.py --config.dtype=bfloat16",
    number="losses of float32 to 0.02",
  ),
  Concept(
    "several devices: data parallel, FSDP",
    "vision_jax.core.execution",
    "tests/core/test_execution.py::test_executions_agree",
    CLASSIFY + "mnist_cnn.py --execution=pmap",
    number="equal to 2e-5",
  ),
  Concept(
    "several devices: tensor parallel (Megatron)",
    "vision_jax.parallel.tensor",
    "tests/experiments/test_tensor.py::test_it_is_the_same_everywhere",
    CLASSIFY + "mnist_vit.py --execution=tensor --mesh=data:2,model:4",
    number="equal to 3e-5",
  ),
  Concept(
    "stopping early: the best checkpoint",
    "vision_jax.train.checkpoint",
    "tests/train/test_checkpoint.py::"
    "test_newest_is_kept_and_resumed_though_worst",
    "--mode=eval --workdir=WORKDIR --checkpoint=best",
    number="step 1 of 6, where it was the best",
  ),
)
