#!/usr/bin/env bash
# Train a config's student on several GPUs of this machine:  scripts/launch_multi_gpu.sh CONFIG [distill run options]
# PROCESSES=4 (default: every GPU) and FSDP=1 (shard the model, FSDP2) shape it. The first process runs the road up to training;
# the others join for the training alone. Then one process evaluates and judges; its exit code is the verdict's.
set -euo pipefail
PROCESSES=${PROCESSES:-$(nvidia-smi --list-gpus | wc -l)}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}
if [ "${FSDP:-0}" = 1 ]; then
  export ACCELERATE_USE_FSDP=true FSDP_VERSION=2 FSDP_AUTO_WRAP_POLICY=TRANSFORMER_BASED_WRAP
fi
if [ -n "${SLURM_JOB_ID:-}" ]; then where=(--nnodes "$SLURM_NNODES" --rdzv_backend c10d --rdzv_endpoint "$HEAD_NODE:${MASTER_PORT:-$((20000 + SLURM_JOB_ID % 10000))}" --rdzv_id "$SLURM_JOB_ID")
else where=(--standalone); fi
python -m torch.distributed.run "${where[@]}" --nproc_per_node "$PROCESSES" -m distill run "$@" --until train --yes
if [ "${SLURM_NODEID:-0}" = 0 ]; then exec distill run "$@"; fi
