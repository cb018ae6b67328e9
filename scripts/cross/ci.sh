#!/usr/bin/env bash
# CI's part of arm64: the build, then the checks under qemu. Prints SKIPPED and succeeds where the sysroot cannot be made
# (which needs Debian's archive once) or the disk is too small. A build or check that runs must pass.
set -euo pipefail
cd "$(dirname "$0")/../.."
free=$(df --output=avail -BG . | tail -1 | tr -dc 0-9)
if [ "$free" -lt 8 ]; then
  echo "SKIPPED arm64: a cross build needs 8 GB; $PWD has $free GB"
  exit 0
fi
if ! scripts/cross/sysroot.sh; then
  echo "SKIPPED arm64: the sysroot cannot be made here (see above)"
  exit 0
fi
scripts/cross/build.sh
LINTEL_NATIVE=target/debug/lintel scripts/cross/check.sh
