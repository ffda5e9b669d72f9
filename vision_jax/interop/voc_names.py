"""The names of Pascal VOC's classes in order, background first.

host.robots.ox.ac.uk/pascal/VOC/voc2012; the first as torchvision writes it.
"""

VOC_NAMES = (
  *("__background__", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus"),
  *("car", "cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike"),
  *("person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
