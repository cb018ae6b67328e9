#!/usr/bin/env bash
# Lintel beside the usual ways to watch a camera, one after the other in one session on the same footage; see
# scripts/peers.py for what each does. Arguments go there: scripts/bench-peers.sh --cameras 2 --seconds 20 --only lintel,ffmpeg
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/pip-install.sh bench-peers .cache/peers-python onnxruntime==1.27.0 numpy==2.4.6 opencv-python-headless==5.0.0.93
scripts/footage.sh
exec .cache/peers-python/bin/python scripts/peers.py "$@"
