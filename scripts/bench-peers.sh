#!/usr/bin/env bash
# Compares Lintel with the usual ways to watch a camera, one after the other on the same footage.
# scripts/peers.py describes them and reads the arguments:
#   scripts/bench-peers.sh --cameras 2 --seconds 20 --only lintel,ffmpeg
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/pip-install.sh bench-peers .cache/peers-python onnxruntime==1.27.0 numpy==2.4.6 opencv-python-headless==5.0.0.93
scripts/footage.sh
exec .cache/peers-python/bin/python scripts/peers.py "$@"
