#!/usr/bin/env bash
# A soak: CAMERAS (32) cameras for MINUTES (60), one of them starting anew every 15 s on average. Writes memory, threads,
# open files and cameras every 10 s to .cache/soak/soak.csv, draws soak.svg, and fails where the least memory of each
# five minutes grows by 1 MB an hour or more after the first quarter, where threads grow, or where a camera was not found again.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${MINUTES:-60}
cameras=${CAMERAS:-32}
out=.cache/soak
mkdir -p "$out"
scripts/footage.sh
# As in systemd/lintel.service: what the node is given there.
export MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=262144
exec target/release/lintel bench --cameras "$cameras" --footage .cache/footage/quiet.mp4 .cache/footage/busy.mp4 \
  --seconds $((minutes * 60)) --warm-up $((minutes * 15)) --soak "$out/soak.csv" --json "$out/soak.json" --plot "$out/soak.svg" \
  --work "$out" "$@"
