#!/usr/bin/env bash
# Runs Lintel's main job on one machine: a camera (an RTSP server that loops a real street), a broker, a node, and the
# receiving platform. Ends when an event has arrived with its evidence, or after LINTEL_DEMO_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=target/release
out=demo-out
limit=${LINTEL_DEMO_SECONDS:-120}

rm -rf "$out"
mkdir -p "$out"
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap cleanup EXIT

ready() { # FILE PATTERN WHAT: waits for the program's ready line
  for _ in $(seq 100); do
    grep -q "$2" "$1" 2>/dev/null && return
    sleep 0.1
  done
  echo "demo: $3 did not start; its output is in $1:" >&2
  tail -5 "$1" >&2
  exit 1
}

echo "demo: camera: rtsp://127.0.0.1:8554/gate loops testdata/clips/street.mp4"
"$bin/lintel-rtsp-server" --listen 127.0.0.1:8554 --stream gate=testdata/clips/street.mp4 >"$out/camera.log" 2>&1 &
pids+=($!)
echo "demo: broker: mqtt://127.0.0.1:18830"
"$bin/lintel-broker" --listen 127.0.0.1:18830 >"$out/broker.log" 2>&1 &
pids+=($!)
ready "$out/camera.log" "^ready" "the camera"
ready "$out/broker.log" "^ready" "the broker"

echo "demo: the platform stores what it receives in $out/received"
"$bin/lintel" receive --broker mqtt://127.0.0.1:18830 --out "$out/received" >"$out/receive.out" 2>"$out/receive.log" &
pids+=($!)
echo "demo: the node runs testdata/demo/lintel.toml; its log is $out/node.log"
"$bin/lintel" run --config testdata/demo/lintel.toml >"$out/node.out" 2>"$out/node.log" &
node=$!
pids+=("$node")

echo "demo: waiting for a vehicle that parks longer than allowed, and for its clip (up to $limit s)"
tail -n +1 -f "$out/receive.out" --pid="$node" 2>/dev/null &
pids+=($!)
done_at=$((SECONDS + limit))
while [ "$SECONDS" -lt "$done_at" ]; do
  clip=$(find "$out/received" -name clip.mp4 2>/dev/null | head -1 || true)
  [ -n "$clip" ] && [ -e "$(dirname "$clip")/manifest.json" ] && [ -e "$(dirname "$clip")/annotated.jpg" ] && break
  kill -0 "$node" 2>/dev/null || { echo "demo: the node ended early:" >&2; tail -20 "$out/node.log" >&2; exit 1; }
  sleep 1
done
[ -n "${clip:-}" ] || { echo "demo: no evidence within $limit s; see $out/*.log" >&2; exit 1; }

kill -TERM "$node"
wait "$node" || { echo "demo: the node did not stop cleanly" >&2; exit 1; }
event=$(dirname "$clip")
echo
echo "demo: received $(find "$out/received" -name event.json | wc -l) events; the first with all its evidence:"
find "$event" -maxdepth 1 -type f -printf '%10s %f\n' | sort -k 2
ffprobe -v error -select_streams v -show_entries stream=codec_name,width,height,nb_frames,duration -of default=nw=1 "$clip"
echo "demo: the annotated picture: $event/annotated.jpg"
