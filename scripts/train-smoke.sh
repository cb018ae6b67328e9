#!/usr/bin/env bash
# The training project end to end on few pictures: data -> ONNX -> `lintel detect`. Its packages (PyTorch above all,
# 5 GB on the disk) go into one folder a user, so that a fresh clone finds them there.
set -euo pipefail
cd "$(dirname "$0")/.."
export LINTEL_SHARED=${LINTEL_SHARED:-$(realpath ..)/shared}
if [ ! -d "$LINTEL_SHARED/data" ] || [ ! -d "$LINTEL_SHARED/weights" ]; then
  echo "SKIPPED train-smoke: $LINTEL_SHARED holds no data and weights; set LINTEL_SHARED"
  exit 0
fi

wanted=models/training/requirements.txt
venv=${XDG_CACHE_HOME:-$HOME/.cache}/lintel/training-$(sha256sum "$wanted" | cut -c1-12)
if [ ! -e "$venv/ready" ]; then
  echo "train-smoke: installing $wanted into $venv, once"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --no-cache-dir -r "$wanted"
  touch "$venv/ready"
fi

[ -x target/debug/lintel ] || [ -x target/release/lintel ] || cargo build --workspace
for kind in release debug; do
  [ -x "target/$kind/lintel" ] && [ -e .cache/onnxruntime/libonnxruntime.so ] && export ORT_DYLIB_PATH="$PWD/.cache/onnxruntime/libonnxruntime.so"
done
time make -C models/training PYTHON="$venv/bin/python" test train-smoke
