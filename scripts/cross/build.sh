#!/usr/bin/env bash
# Release build of lintel for aarch64: target-cross/aarch64-unknown-linux-gnu/release/lintel, with ONNX Runtime for it.
#   scripts/cross/build.sh [more arguments for cargo build]
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/cross/sysroot.sh
scripts/fetch-onnxruntime.sh --arch aarch64
# shellcheck source=env.sh
source scripts/cross/env.sh
cargo build --release --target "$LINTEL_TARGET" --bin lintel "$@"
out=$CARGO_TARGET_DIR/$LINTEL_TARGET/release
cp -u .cache/onnxruntime-aarch64/libonnxruntime.so "$out/"
readelf -h "$out/lintel" | grep -q AArch64 || { echo "cross: $out/lintel is not for aarch64" >&2; exit 1; }
echo "cross: $out/lintel"
