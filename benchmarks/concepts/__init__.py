"""What courses teach, a file for each part: the table in configs/README.md."""

# The order of the parts; others follow by their names.
FIRST = (
  *("layers", "training", "recognition", "generation", "translation"),
  *("similarity", "self_supervised", "video"),
)
