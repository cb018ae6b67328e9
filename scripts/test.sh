#!/usr/bin/env bash
# Runs all tests and prints their counts in one last line. A test that cannot run here prints SKIPPED and the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
cargo test --workspace 2>&1 | tee "$log" || status=$?

# A test that starts itself again as a child process prints a result line too, with the other tests filtered out.
count() { grep '^test result:' "$log" | grep ' 0 filtered out' | grep -oE "[0-9]+ $1" | awk '{ n += $1 } END { print n + 0 }'; }
skipped=$(grep -c '^SKIPPED ' "$log" || true)
grep '^SKIPPED ' "$log" || true
echo "$(($(count passed) - skipped)) passed, $(count failed) failed, $skipped skipped"
exit "$status"
