#!/usr/bin/env bash
# One config on one GPU of this machine: scripts/launch_one_gpu.sh CONFIG [options of `distill run`]
#
#   GPU=1 scripts/launch_one_gpu.sh configs/banking77.yaml --budget 10      the second card
set -euo pipefail

export CUDA_VISIBLE_DEVICES="${GPU:-0}"
export DISTILL_DEVICE="${DISTILL_DEVICE:-cuda}"
exec distill run "$@"
