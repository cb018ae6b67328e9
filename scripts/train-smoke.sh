#!/usr/bin/env bash
# The training project end to end on few pictures: data -> ONNX -> `lintel detect`. Its packages (PyTorch above all,
# 4 GB on the disk) go into one folder a user, once, so that a fresh clone finds them there. Needs PyPI that once,
# and the data; says so and passes where either is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export LINTEL_SHARED=${LINTEL_SHARED:-$(realpath ..)/shared}
if [ ! -d "$LINTEL_SHARED/data" ] || [ ! -d "$LINTEL_SHARED/weights" ]; then
  echo "SKIPPED train-smoke: $LINTEL_SHARED holds no data and weights; set LINTEL_SHARED"
  exit 0
fi

# PyPI's PyTorch for x86_64 asks for the whole of CUDA; the lock file names the part that it does not start without.
wanted=models/training/requirements-lock.txt
options=(--no-deps)
if [ "$(uname -m)" != x86_64 ]; then
  wanted=models/training/requirements.txt
  options=()
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lintel
venv=$cache/training-$(sha256sum "$wanted" | cut -c1-12)
if [ ! -e "$venv/ready" ]; then
  free=$(df --output=avail -BG "$HOME" | tail -1 | tr -dc 0-9)
  if [ "$free" -lt 8 ]; then
    echo "SKIPPED train-smoke: $wanted takes 8 GB while it installs, $HOME has $free GB"
    exit 0
  fi
  echo "train-smoke: installing $wanted into $venv, once"
  rm -rf "$cache"/training-*
  python3 -m venv "$venv"
  if ! "$venv/bin/pip" install -q --no-cache-dir --no-compile "${options[@]}" -r "$wanted"; then
    echo "SKIPPED train-smoke: $wanted cannot be installed from here (see above)"
    exit 0
  fi
  touch "$venv/ready"
fi

[ -n "${LINTEL:-}" ] || [ -x target/debug/lintel ] || [ -x target/release/lintel ] || cargo build --workspace
if [ -e .cache/onnxruntime/libonnxruntime.so ]; then
  export ORT_DYLIB_PATH="$PWD/.cache/onnxruntime/libonnxruntime.so"
fi
make -C models/training PYTHON="$venv/bin/python" test train-smoke
