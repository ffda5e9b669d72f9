#!/usr/bin/env bash
# A pod of TPUs, the same command on each of its hosts, which find one another:
#   TPU=mine ZONE=us-central2-b TYPE=v4-32 benchmarks/launch/tpu_vm.sh create
#   TPU=mine ZONE=us-central2-b WORKDIR=gs://BUCKET/out/vit DATA=gs://BUCKET/data \
#     benchmarks/launch/tpu_vm.sh train
# create makes the machines and brings this checkout there; train goes on after
# whatever stopped it; delete gives the machines back.
set -euo pipefail

tpu=${TPU:?the name of the TPU} zone=${ZONE:?its zone}
there=(--zone="$zone" --worker=all)

create() {
  gcloud compute tpus tpu-vm create "$tpu" --zone="$zone" \
    --accelerator-type="${TYPE:?such as v4-32}" \
    --version="${VERSION:-tpu-ubuntu2204-base}" ${SPOT:+--spot}
  gcloud compute tpus tpu-vm scp --recurse . "$tpu":vision_jax "${there[@]}"
  gcloud compute tpus tpu-vm ssh "$tpu" "${there[@]}" --command="
    python3 -m venv env && . env/bin/activate && cd vision_jax &&
    pip install -q 'jax[tpu]' -e '.[gcs]'"
}

train() {
  local config=${CONFIG:-configs/classification/imagenet_vit_s16.py}
  local line="python -m vision_jax.main --config=$config"
  line+=" --workdir=${WORKDIR:?a folder on gs://}"
  line+=" --config.data_dir=${DATA:?the folder of prepared data sets}"
  gcloud compute tpus tpu-vm ssh "$tpu" "${there[@]}" --command="
    . env/bin/activate && cd vision_jax && $line"
}

delete() {
  gcloud compute tpus tpu-vm delete "$tpu" --zone="$zone" --quiet
}

case ${1:-} in
  create | train | delete) "$1" ;;
  *)
    echo "tpu_vm.sh: got '${1:-}'; expected create, train or delete." >&2
    exit 2
    ;;
esac
