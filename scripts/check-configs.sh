#!/usr/bin/env bash
# Checks the example configs with `lintel check`. Good ones pass; bad ones fail with file, line and column.
set -euo pipefail
cd "$(dirname "$0")/.."
lintel=${LINTEL:-target/debug/lintel}

for good in config/lintel.example.toml testdata/demo/lintel.toml; do
  "$lintel" check --config "$good" >/dev/null
  echo "configs: $good is good"
done
# The minimal config of the pages, as a reader would copy it; only the folders are elsewhere.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for page in README.md README.zh-CN.md; do
  awk '/^```toml$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$page" |
    sed "s|\"models/|\"$PWD/models/|" >"$work/lintel.toml"
  lines=$(wc -l <"$work/lintel.toml")
  if [ "$lines" -eq 0 ] || [ "$lines" -ge 20 ]; then
    echo "configs: the minimal config of $page must have 1 to 19 lines, not $lines" >&2; exit 1
  fi
  "$lintel" check --config "$work/lintel.toml" >/dev/null
  # The next step of the reader: zone and rule without their #.
  sed -i -E 's/^# (zone|rule) = /\1 = /' "$work/lintel.toml"
  "$lintel" check --config "$work/lintel.toml" >"$work/said"
  grep -qE '^gate .* motor_vehicle_parking' "$work/said"
  echo "configs: the minimal config of $page is good, $lines lines"
done
count=0
for bad in testdata/config/bad/*.toml; do
  [ -e "${bad%.toml}.expected.txt" ] || continue   # included by other files
  if output=$("$lintel" check --config "$bad" 2>&1); then
    echo "configs: $bad passes the check but must fail" >&2; exit 1
  fi
  grep -qE '[^ ]+\.toml:[0-9]+:[0-9]+' <<<"$output" || { echo "configs: $bad: no file:line:column in: $output" >&2; exit 1; }
  count=$((count + 1))
done
echo "configs: $count bad configs refused, each with file:line:column"
