#!/usr/bin/env bash
# Lintel beside the usual ways to watch a camera, one after the other in one session on the same footage; see
# scripts/peers.py for what each does. Arguments go there: scripts/bench-peers.sh --cameras 2 --seconds 20 --only lintel,ffmpeg
set -euo pipefail
cd "$(dirname "$0")/.."

wanted="onnxruntime==1.27.0 numpy==2.4.6 opencv-python-headless==5.0.0.93"
if [ "$(cat .cache/peers-python/wanted 2>/dev/null)" != "$wanted" ]; then
  echo "bench-peers: installing $wanted into .cache/peers-python" >&2
  python3 -m venv .cache/peers-python
  # shellcheck disable=SC2086 -- one word a package
  .cache/peers-python/bin/python -m pip install -q $wanted
  echo "$wanted" >.cache/peers-python/wanted
fi
scripts/footage.sh
exec .cache/peers-python/bin/python scripts/peers.py "$@"
