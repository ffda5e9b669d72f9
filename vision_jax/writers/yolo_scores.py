"""Boxes as YOLO's text files with their scores, to be compared or filtered."""

from vision_jax.writers.yolo import YoloWriter


class YoloScoresWriter(YoloWriter):
  """Writes `labels_scores/NAME.txt` and `data.yaml`.

  As `yolo`, with the score as the sixth number of a line, as YOLO's own
  predictions have it. Readers of labels to train on refuse that: `yolo` is for
  them.
  """

  folder, key, scores = "labels_scores", "yolo_scores", True
