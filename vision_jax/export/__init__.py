"""Trained nets in the files of others: a format a file.

A format has `write(net, folder, how)` and `read(net, folder, how)`, which
returns what was written as a function of images, to be compared with the net.
The other files are what all formats share.
"""

FORMATS = ("huggingface", "onnx", "safetensors", "stablehlo")
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
