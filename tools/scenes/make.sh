#!/usr/bin/env bash
# Runs the scene generator with its pinned Python packages; the arguments are those of scenes.py. Without arguments it makes
# the missing scenes in .cache/scenes: seeds 1 to 3 for tuning and 143 to 154 for reporting. Seeds 101 to 115, 119 to 142,
# 201 to 205 and 301 to 306 were used up for tuning.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=.cache/scenes-python
scripts/pip-install.sh scenes "$python" numpy==2.4.6 opencv-python-headless==5.0.0.93 pillow==13.0.0
export OPENCV_LOG_LEVEL=ERROR OMP_NUM_THREADS=1
if [ $# -gt 0 ]; then exec $python/bin/python tools/scenes/scenes.py "$@"; fi
for seed in 1 2 3 $(seq 143 154); do
  if [ ! -e ".cache/scenes/seed$seed.mp4" ]; then
    echo "scenes: seed $seed" >&2
    $python/bin/python tools/scenes/scenes.py --seed "$seed" --days 10 --step 30 --size 960x540 --out .cache/scenes
  fi
done
echo "scenes: .cache/scenes has $(find .cache/scenes -name '*.mp4' | wc -l) scenes" >&2
