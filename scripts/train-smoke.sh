#!/usr/bin/env bash
# Runs the training project end to end on a few pictures: data -> ONNX -> `lintel detect`. Its packages (mostly PyTorch,
# 4 GB on disk) go into one folder per user, once, so that fresh clones share them. That needs PyPI; the run needs the
# data. Where either is missing it prints SKIPPED and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
export LINTEL_SHARED=${LINTEL_SHARED:-$(realpath ..)/shared}
if [ ! -d "$LINTEL_SHARED/data" ] || [ ! -d "$LINTEL_SHARED/weights" ]; then
  echo "SKIPPED train-smoke: $LINTEL_SHARED holds no data and weights; set LINTEL_SHARED"
  exit 0
fi

# PyPI's PyTorch for x86_64 depends on all of CUDA; the lock file lists the part without which it does not start.
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
    echo "SKIPPED train-smoke: $wanted needs 8 GB while it installs; $HOME has $free GB"
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
