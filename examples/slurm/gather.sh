#!/bin/bash
#SBATCH --job-name=mien-gather
#SBATCH --mem=8G
#SBATCH --time=00:30:00
# Put the folds of folds.sh together into one table. Folds that are missing are trained here.
#   sbatch --dependency=afterok:JOB examples/slurm/gather.sh RECIPE DATA OUT [the same options]
set -euo pipefail
recipe=$1 data=$2 out=$3
shift 3
export HF_HUB_OFFLINE=1
mkdir -p "$out/all/folds"
for task in "$out"/task-*; do
  cp -r "$task"/folds/. "$out/all/folds/"
done
mien bench "$recipe" --data "$data" --cache "$out/cache" --out "$out/all" "$@"
