"""Which config to take for what, of which data: data of a page.

`benchmarks.report.choosing` adds what is counted and measured, and lists the
configs that are not here by the first line of their docstrings. Adding a line
here is all that a better word for a config needs.
"""

from typing import NamedTuple


class Choice(NamedTuple):
  """A config, and whom it is for.

  Attributes:
    config: "TASK/NAME".
    want: what one wants.
    have: the data that one has.
  """

  config: str
  want: str
  have: str


CHOICES = (
  Choice("classification/digits_cnn", "a first run", "nothing"),
  Choice(
    "classification/folder_finetune",
    "your classes, few images",
    "5 to some 100 images a class, and a net that was trained on others: a "
    "published file or a workdir",
  ),
  Choice(
    "classification/folder_resnet18",
    "your classes, from scratch",
    "some 100 images a class, or more",
  ),
  Choice(
    "classification/zero_shot",
    "classes told by words, without training",
    "a file of CLIP or SigLIP, and images",
  ),
  Choice(
    "classification/imported",
    "a published classifier as it is",
    "its file",
  ),
  Choice(
    "classification/mnist_lenet", "a published number in minutes", "mnist"
  ),
  Choice("classification/mnist_cnn", "the most of MNIST on a CPU", "mnist"),
  Choice("classification/cifar10_fast", "94 % of CIFAR-10 soon", "cifar10"),
  Choice("classification/cifar10_resnet20", "a paper's recipe", "cifar10"),
  Choice("classification/imagenet_resnet50", "ImageNet, a ResNet", "imagenet"),
  Choice("classification/imagenet_vit_s16", "ImageNet, a ViT", "imagenet"),
  Choice(
    "detection/own_boxes",
    "your boxes",
    "some 100 images or more, in any layout",
  ),
  Choice(
    "detection/voc_detr",
    "your boxes by a transformer",
    "some 1,000 images or more",
  ),
  Choice("detection/digit_scenes_detr", "a first DETR", "nothing"),
  Choice("detection/imported", "a published DETR as it is", "its file"),
  Choice("detection/coco_detr_r50", "the paper's DETR", "coco"),
  Choice(
    "detection/coco_keypoint_rcnn",
    "keypoints of people, or of what you have",
    "coco, or COCO's json with keypoints",
  ),
  Choice(
    "segmentation/folder_unet",
    "your masks",
    "some 100 images with masks, or more",
  ),
  Choice("segmentation/digit_scenes_unet", "a first U-Net", "nothing"),
  Choice("segmentation/camvid_lraspp", "a small net for streets", "camvid"),
  Choice("segmentation/camvid_unet", "streets by a U-Net", "camvid"),
  Choice(
    "segmentation/clouds_classifier",
    "a map where labels are of whole images",
    "nothing, or one npz",
  ),
  Choice("segmentation/imported", "a published segmenter as it is", "its file"),
  Choice("generation/digits_ddpm", "a first diffusion model", "nothing"),
  Choice("generation/digits_vae", "codes, and images in between", "nothing"),
  Choice("generation/digits_gan", "a first GAN", "nothing"),
  Choice("generation/mnist_autoencoder", "codes, plain to sparse", "mnist"),
  Choice("generation/mnist_gan", "the first GAN, of dense nets", "mnist"),
  Choice("generation/mnist_ddpm", "diffusion", "mnist"),
  Choice("generation/mnist_flow_matching", "samples in ten steps", "mnist"),
  Choice("generation/mnist_mean_flow", "samples in one to four steps", "mnist"),
  Choice("generation/mnist_inpainting", "holes filled, few pixels", "mnist"),
  Choice(
    "generation/scenes_text", "images from captions, a first one", "nothing"
  ),
  Choice("generation/scenes_text_gan", "the same in one evaluation", "nothing"),
  Choice("generation/mnist_dcgan", "samples in one step", "mnist"),
  Choice("generation/mnist_stylegan2", "styles to mix and to cut", "mnist"),
  Choice("generation/mnist_vae", "a likelihood, as published", "mnist"),
  Choice("generation/cifar10_ddpm", "the paper's DDPM", "cifar10"),
  Choice(
    "restoration/imported",
    "noise off, or images enlarged, without training",
    "a published file",
  ),
  Choice("restoration/t91_fsrcnn", "images enlarged, small and fast", "T91"),
  Choice("restoration/div2k_edsr", "images enlarged, large", "DIV2K"),
  Choice("restoration/train400_dncnn", "noise of one level off", "Train400"),
  Choice("restoration/train400_ffdnet", "noise of any level off", "Train400"),
  Choice(
    "self_supervised/cifar10_simclr",
    "features without labels, on a CPU too",
    "images",
  ),
  Choice(
    "metric_learning/mnist_embedding",
    "images compared, of classes that were not trained on",
    "mnist, or a folder of classes",
  ),
  Choice(
    "depth/scenes_depth",
    "depth of one image",
    "nothing, or images with maps of depth",
  ),
  Choice(
    "reading/mnist_crnn",
    "text lines, by a convolutional and recurrent net",
    "mnist, or images with a csv of texts",
  ),
  Choice(
    "reading/mnist_attention",
    "text lines, by a transformer",
    "mnist, or images with a csv of texts",
  ),
  Choice(
    "regression/roads_cnn",
    "numbers, of an image",
    "nothing, or images with a csv of numbers",
  ),
  Choice(
    "captions/scenes_coca",
    "captions, and search by words",
    "nothing, or images with a csv of captions",
  ),
  Choice(
    "translation/folder_pix2pix",
    "images into others, of pairs",
    "some 100 pairs, or photographs and a filter",
  ),
  Choice(
    "translation/folder_cyclegan",
    "images into others, without pairs",
    "two folders of images",
  ),
  Choice(
    "instance/digit_scenes_mask2former",
    "things and stuff at once, a mask for each",
    "nothing",
  ),
  Choice(
    "instance/nuclei_stardist",
    "objects one by one, round ones",
    "some 100 images with masks that number objects",
  ),
  Choice(
    "instance/nuclei_maskrcnn",
    "objects one by one, of any form, with boxes and masks",
    "some 100 images with masks that number objects",
  ),
  Choice(
    "video/digits_r2plus1d", "what moves, of clips", "nothing, or one npz"
  ),
  Choice(
    "skeletons/actions_stgcn",
    "what a skeleton does",
    "nothing, or one npz of joints",
  ),
)
