#!/usr/bin/env bash
# Scores lasting change on generated scenes that nothing was tuned on, and flights on real pairs. Writes the tables and
# pictures of docs/change.md. SEEDS: the scenes' seeds. Pairs come from LINTEL_SHARED (default ../shared) if it has them.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=.cache/scenes-python/bin/python
lintel=target/release/lintel
export ORT_DYLIB_PATH="${ORT_DYLIB_PATH:-$PWD/.cache/onnxruntime/libonnxruntime.so}"
# shellcheck disable=SC2086 # one word a seed
$python tools/scenes/report.py $lintel .cache/scenes docs/change.md ${SEEDS:-$(seq 143 154)}
flights=$(mktemp -d)
trap 'rm -rf "$flights"' EXIT
$lintel compare testdata/compare/before.tif testdata/compare/after.tif --out "$flights"
ffmpeg -v error -y -i "$flights/1-side-by-side.png" -vf scale=960:-1 -q:v 4 docs/images/change-flights.jpg
pairs="${LINTEL_SHARED:-../shared}/data/extra/change_pairs"
if [ -d "$pairs" ]; then
  $python tools/scenes/pairs.py $lintel "$pairs" docs/change.md
else
  echo "change-report: no pairs in $pairs; their table stays as it is" >&2
fi
