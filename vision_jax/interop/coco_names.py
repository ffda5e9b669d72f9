"""The names of COCO's categories by their numbers, of which some are not used.

https://cocodataset.org: 80 categories, numbered from 1 to 90.
"""

# The first number of a run -> the names from there on.
_RUNS = {
  1: (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, "
    "traffic light, fire hydrant"
  ),
  13: (
    "stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, "
    "elephant, bear, zebra, giraffe"
  ),
  27: ("backpack, umbrella"),
  31: (
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, "
    "baseball bat, baseball glove, skateboard, surfboard, tennis racket, "
    "bottle"
  ),
  46: (
    "wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, "
    "orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, "
    "potted plant, bed"
  ),
  67: ("dining table"),
  70: ("toilet"),
  72: (
    "tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, "
    "toaster, sink, refrigerator"
  ),
  84: ("book, clock, vase, scissors, teddy bear, hair drier, toothbrush"),
}
_NAMES = {
  start + i: name
  for start, names in _RUNS.items()
  for i, name in enumerate(names.split(", "))
}
# 91 of them; a number that is not used is its own name.
COCO_NAMES = tuple(_NAMES.get(i, str(i)) for i in range(91))
# The 80 that are used, in order: the classes of nets without the others.
COCO_USED = tuple(_NAMES.values())
