#!/usr/bin/env bash
# Runs the arm64 program under qemu-user beside the native one and compares: version, check, detections on three pictures,
# the events of a clip, and events sent to a real mosquitto over TLS with a client certificate.
#
#   scripts/cross/check.sh          after scripts/cross/build.sh and `make build`
#
# LINTEL_ARM and LINTEL_NATIVE replace the programs in target-cross and target. Times under qemu say nothing about a box.
set -euo pipefail
cd "$(dirname "$0")/../.."
cross=${LINTEL_CROSS:-${XDG_CACHE_HOME:-$HOME/.cache}/lintel/cross-arm64}
native=$(realpath "${LINTEL_NATIVE:-target/release/lintel}")
arm=$(realpath "${LINTEL_ARM:-target-cross/aarch64-unknown-linux-gnu/release/lintel}")
work=$(mktemp -d)
pids=()
# A background function is a shell with the program as its child. All must have ended before the folder is deleted:
# `rm` fails if one of them still writes.
# shellcheck disable=SC2317 # called by the trap
clean_up() {
  for pid in "${pids[@]}"; do pkill -KILL -P "$pid" || kill -KILL "$pid" || true; done
  wait
  rm -rf "$work"
}
trap clean_up EXIT

export GST_REGISTRY_FORK=no
on_native() { ORT_DYLIB_PATH=$PWD/.cache/onnxruntime/libonnxruntime.so "$native" "$@"; }
on_arm() {
  GST_REGISTRY=$work/registry ORT_DYLIB_PATH=$PWD/.cache/onnxruntime-aarch64/libonnxruntime.so \
    qemu-aarch64-static -L "$cross/sysroot" "$arm" "$@"
}
fail() { echo "cross-check: $*" >&2; exit 1; }

[ "$(on_arm --version)" = "$(on_native --version)" ] || fail "the versions differ"
on_arm check --config testdata/demo/lintel.toml >"$work/check" 2>&1 || { cat "$work/check" >&2; fail "check"; }
echo "cross-check: $(on_arm --version), and the demo's config is good"

frames=(testdata/frames/street_{000,300,600}.jpg)
on_native detect "${frames[@]}" --model models/lintel-nano --out "$work/native.json" >/dev/null
on_arm detect "${frames[@]}" --model models/lintel-nano --out "$work/arm.json" >/dev/null
python3 - "$work/native.json" "$work/arm.json" <<'PYTHON'
import json, sys

native, arm = (sorted(json.load(open(path)), key=lambda d: (d["image_id"], d["category_id"], d["bbox"])) for path in sys.argv[1:])
assert len(native) == len(arm) > 0, f"cross-check: {len(native)} boxes natively, {len(arm)} on arm64"
pixels = max(abs(a - b) for n, m in zip(native, arm) for a, b in zip(n["bbox"], m["bbox"]))
score = max(abs(n["score"] - m["score"]) for n, m in zip(native, arm))
assert all(n["category_id"] == m["category_id"] for n, m in zip(native, arm)), "cross-check: classes differ"
assert pixels <= 0.5 and score <= 0.005, f"cross-check: boxes differ by {pixels} px, scores by {score}"
print(f"cross-check: {len(native)} boxes on three pictures, no farther apart than {pixels:.3f} px and {score:.5f} in score")
PYTHON

# The first 30 s: two vehicles park for longer than 20 s.
ffmpeg -v error -y -i testdata/clips/street.mp4 -t 30 -c copy "$work/short.mp4"
# Key frames only, because qemu needs a second or two per picture. Paths are relative to the demo's folder.
sed -e "s|\"../../|\"$PWD/|" -e 's|^profile = .*|&\nsampling = "keyframes"|' testdata/demo/lintel.toml >"$work/replay.toml"
for side in native arm; do
  "on_$side" replay --config "$work/replay.toml" --camera "gate=$work/short.mp4" --start 2026-01-01T00:00:00Z \
    >"$work/$side.jsonl" 2>"$work/$side.log" || { tail "$work/$side.log" >&2; fail "replay ($side)"; }
done
python3 - "$work/native.jsonl" "$work/arm.jsonl" <<'PYTHON'
import json, sys

def events(path):
    return [{k: e["data"].get(k) for k in ("event_id", "id", "transition", "revision", "started_at")} | {"of": e.get("subject"), "at": e.get("time"), "is": e.get("id")}
            for e in map(json.loads, open(path))]

native, arm = map(events, sys.argv[1:])
assert native, "cross-check: the clip gives no event"
assert native == arm, f"cross-check: events differ:\n{native}\n{arm}"
print(f"cross-check: the same {len(native)} event messages from a replayed clip")
PYTHON

# TLS with its own certificates, as in the tests.
cd "$work"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=check-ca -keyout ca.key -out ca.pem 2>/dev/null
for name in server client; do
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$name.pem" 2>/dev/null
done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >mosquitto.conf <<CONF
user root
listener $port 127.0.0.1
cafile $work/ca.pem
certfile $work/server.pem
keyfile $work/server.key
require_certificate true
allow_anonymous true
CONF
cd - >/dev/null
mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
pids+=($!)
sed -e "s|^data_dir = .*|data_dir = \"$work/data\"|" -e "s|^model = .*|model = \"$PWD/models/lintel-nano\"|" \
  -e "s|^url = \"mqtt:.*|url = \"mqtts://localhost:$port\"\ntls = { ca_file = \"$work/ca.pem\", client_cert_file = \"$work/client.pem\", client_key_file = \"$work/client.key\" }|" \
  -e "s|^url = \"rtsp:.*|file = \"$work/short.mp4\"\nrepeat = true|" -e 's|^listen = .*|enabled = false|' -e 's|^dwell = .*|dwell = "5s"|' \
  "$work/replay.toml" >"$work/lintel.toml"
on_native receive --broker "mqtts://localhost:$port" --ca "$work/ca.pem" --cert "$work/client.pem" --key "$work/client.key" \
  --out "$work/received" >"$work/receive.log" 2>&1 &
pids+=($!)
on_arm run --config "$work/lintel.toml" >"$work/run.log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do
  [ -z "$(find "$work/received" -name event.json 2>/dev/null)" ] || break
  sleep 1
done
[ -n "$(find "$work/received" -name event.json 2>/dev/null)" ] || { tail "$work"/{run,receive,mosquitto}.log >&2; fail "no event over TLS within 300 s"; }
echo "cross-check: an event of the arm64 node arrived over MQTT with TLS"
