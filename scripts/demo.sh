#!/usr/bin/env bash
# Runs Lintel's main job on one machine: a camera (an RTSP server that loops a real street), a broker, a node, and the
# receiving platform. Installs and builds what that needs first. Ends when the events have arrived with their evidence, or
# after LINTEL_DEMO_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
bin=$target/demo
out=demo-out
limit=${LINTEL_DEMO_SECONDS:-120}

if [ ! -x "$bin/lintel" ]; then
  echo "demo: the first run installs what is missing and builds Lintel: up to 300 MB to download, 3 GB on disk, and about"
  echo "demo: 5 minutes on two cores. Later runs take under a minute."
fi
scripts/setup.sh demo
# Only the parts of OpenCV that Lintel uses are installed, so pkg-config does not know it.
export OPENCV_DISABLE_PROBES=pkg_config,cmake,vcpkg_cmake,vcpkg
machine=$(gcc -dumpmachine)
export OPENCV_INCLUDE_PATHS=/usr/include/opencv4,/usr/include/$machine/opencv4
export OPENCV_LINK_PATHS=/usr/lib/$machine
export OPENCV_LINK_LIBS=opencv_core,opencv_imgproc,opencv_video,opencv_calib3d,opencv_features2d,opencv_flann
cargo build --locked --profile demo -p lintel -p lintel-rtsp-server
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.cache/onnxruntime/libonnxruntime.so}

rm -rf "$out"
mkdir -p "$out"
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap cleanup EXIT

# wait_for LOG WHAT COMMAND...: until the command succeeds, ten seconds at most
wait_for() {
  local log=$1 what=$2
  shift 2
  for _ in $(seq 100); do
    "$@" 2>/dev/null && return
    sleep 0.1
  done
  echo "demo: $what did not start; its output is in $log:" >&2
  tail -5 "$log" >&2
  exit 1
}
listens() { (: <"/dev/tcp/127.0.0.1/$1"); }

echo "demo: camera: rtsp://127.0.0.1:8554/gate loops testdata/clips/street.mp4"
"$bin/lintel-rtsp-server" --listen 127.0.0.1:8554 --stream gate=testdata/clips/street.mp4 >"$out/camera.log" 2>&1 &
pids+=($!)
echo "demo: broker: mosquitto at mqtt://127.0.0.1:18830"
if listens 18830 2>/dev/null; then echo "demo: port 18830 is in use" >&2; exit 1; fi
# Debian keeps mosquitto where only root's PATH has it.
PATH=$PATH:/usr/sbin mosquitto -c testdata/demo/mosquitto.conf >"$out/broker.log" 2>&1 &
pids+=($!)
wait_for "$out/camera.log" "the camera" grep -q "^ready" "$out/camera.log"
wait_for "$out/broker.log" "the broker" listens 18830

echo "demo: the platform stores what it receives in $out/received"
"$bin/lintel" receive --broker mqtt://127.0.0.1:18830 --out "$out/received" >"$out/receive.out" 2>"$out/receive.log" &
pids+=($!)
echo "demo: the node runs testdata/demo/lintel.toml; its log is $out/node.log"
"$bin/lintel" run --config testdata/demo/lintel.toml >"$out/node.out" 2>"$out/node.log" &
node=$!
pids+=("$node")

echo "demo: waiting for vehicles that park longer than allowed, and for their clips (up to $limit s)"
tail -n +1 -f "$out/receive.out" --pid="$node" 2>/dev/null &
pids+=($!)
count() { grep -c "^$1 " "$out/receive.out" || true; }
done_at=$((SECONDS + limit))
until [ "$(count complete)" -gt 0 ] && [ "$(count complete)" -ge "$(count opened)" ]; do
  kill -0 "$node" 2>/dev/null || { echo "demo: the node ended early:" >&2; tail -20 "$out/node.log" >&2; exit 1; }
  [ "$SECONDS" -lt "$done_at" ] || break
  sleep 1
done
[ "$(count complete)" -gt 0 ] || { echo "demo: no evidence within $limit s; see $out/*.log" >&2; exit 1; }

kill -TERM "$node"
wait "$node" || { echo "demo: the node did not stop cleanly" >&2; exit 1; }
# The event to look at is the one that the node is most sure of.
best=$(for manifest in "$out"/received/*/*/manifest.json; do
  event=$(dirname "$manifest")
  echo "$(grep -oE '"confidence": ?[0-9.]+' "$event/event.json" | head -n 1 | grep -oE '[0-9.]+$') $event"
done | sort -n | tail -n 1 | cut -d ' ' -f 2)
echo
echo "demo: received $(count opened) events; look at the one with the highest confidence:"
grep -F "$(basename "$best")" "$out/receive.out"
find "$best" -maxdepth 1 -type f -printf '%10s %f\n' | sort -k 2
echo "demo: the annotated picture: $best/annotated.jpg"
echo "demo: the clip:              $best/clip.mp4"
