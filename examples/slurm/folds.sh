#!/bin/bash
#SBATCH --job-name=mien-folds
#SBATCH --array=1-5
#SBATCH --cpus-per-task=8
#SBATCH --gpus=1
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=mien-fold-%a.log
# Train and judge one fold a task. A task that was stopped, or requeued, resumes.
#   sbatch examples/slurm/folds.sh RECIPE DATA OUT [more options of mien bench]
set -euo pipefail
recipe=$1 data=$2 out=$3
shift 3
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}" HF_HUB_OFFLINE=1
mien bench "$recipe" --data "$data" --cache "$out/cache" --folds "$SLURM_ARRAY_TASK_ID" \
  --out "$out/task-$SLURM_ARRAY_TASK_ID" "$@"
