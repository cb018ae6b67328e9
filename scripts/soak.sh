#!/usr/bin/env bash
# A soak test: CAMERAS (32) cameras for MINUTES (60); on average one of them restarts every 15 s. Writes memory, threads,
# open files and cameras every 10 s to .cache/soak/soak.csv and draws soak.svg. Fails if the least memory of each five
# minutes grows by 1 MB an hour or more after the first quarter, if threads grow, or if a camera does not come back.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${MINUTES:-60}
cameras=${CAMERAS:-32}
out=.cache/soak
mkdir -p "$out"
scripts/footage.sh
# The environment of systemd/lintel.service.
export MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=262144
exec target/release/lintel-bench --cameras "$cameras" --footage .cache/footage/quiet.mp4 .cache/footage/busy.mp4 \
  --seconds $((minutes * 60)) --warm-up $((minutes * 15)) --soak "$out/soak.csv" --json "$out/soak.json" --plot "$out/soak.svg" \
  --work "$out" "$@"
