#!/bin/bash
#SBATCH --job-name=mien-analyze
#SBATCH --array=0-3
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=mien-analyze-%a.log
# Analyse a folder with four tasks. Each takes the files that no other has begun.
#   sbatch examples/slurm/analyze.sh RECORDINGS RESULTS
set -euo pipefail
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}" HF_HUB_OFFLINE=1
mien analyze "$1" --out "$2" --quiet
