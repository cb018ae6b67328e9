#!/usr/bin/env bash
# Checks the example configs with the program itself: the good ones pass, each bad one fails and says where.
set -euo pipefail
cd "$(dirname "$0")/.."
lintel=${LINTEL:-target/debug/lintel}

for good in config/lintel.example.toml testdata/demo/lintel.toml; do
  "$lintel" check --config "$good" >/dev/null
  echo "configs: $good is good"
done
count=0
for bad in testdata/config/bad/*.toml; do
  [ -e "${bad%.toml}.expected.txt" ] || continue   # a file that others include
  if said=$("$lintel" check --config "$bad" 2>&1); then
    echo "configs: $bad passed the check, it must not" >&2; exit 1
  fi
  grep -qE '[^ ]+\.toml:[0-9]+:[0-9]+' <<<"$said" || { echo "configs: $bad: no file:line:column in: $said" >&2; exit 1; }
  count=$((count + 1))
done
echo "configs: $count bad configs refused, each with file:line:column"
