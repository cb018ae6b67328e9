#!/usr/bin/env bash
# Installs what Lintel needs to build and test on Debian 12: system packages (these need root), pinned Python packages and
# the pinned ONNX Runtime library. Names what is missing before it installs it. Does nothing when all is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  # GStreamer: decoding, muxing, the test RTSP server
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev gstreamer1.0-tools
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav gstreamer1.0-rtsp
  # OpenCV, and libclang for its bindings
  libopencv-dev libclang-dev clang llvm-dev
  # building; nasm for the fast paths of the bundled libjpeg-turbo
  build-essential cmake nasm pkg-config libssl-dev
  # the tests' broker, and tools that check clips and make certificates
  mosquitto mosquitto-clients ffmpeg openssl
  # the ONNX Runtime wheel, and Chinese names on annotated stills
  python3 python3-pip python3-venv unzip fonts-wqy-microhei
  # `make systemd-check` and `make lint`
  systemd shellcheck
)

scripts/apt-install.sh setup "${packages[@]}"

command -v cargo >/dev/null || { echo "setup: cargo is missing; install Rust by rustup (see rust-toolchain.toml for the version)" >&2; exit 1; }
scripts/fetch-onnxruntime.sh

# NumPy, Pillow and ONNX Runtime run the tests' reference detector; ruff and typos are for `make lint`.
scripts/pip-install.sh setup .cache/python onnxruntime==1.27.0 numpy==2.4.6 pillow==13.0.0 ruff==0.17.6 typos==1.52.0
echo "setup: everything is installed"
