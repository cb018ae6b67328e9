#!/usr/bin/env bash
# Checks the systemd unit: systemd accepts it, and its exposure stays below 2.0 (systemd-analyze(1)).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v systemd-analyze >/dev/null || { echo "systemd-check: systemd-analyze is missing; apt-get install systemd" >&2; exit 1; }

# `verify` needs the programs that the unit names, so it runs in a root that has them.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
install -D -m 644 systemd/lintel.service "$root/etc/systemd/system/lintel.service"
for program in /usr/bin/lintel /bin/kill; do install -D -m 755 /bin/true "$root$program"; done
mkdir -p "$root/usr/lib/systemd" && cp -a /lib/systemd/system "$root/usr/lib/systemd/"
output=$(systemd-analyze verify --root="$root" --man=no lintel.service 2>&1 | grep -i lintel || true)
[ -z "$output" ] || { echo "systemd-check: systemd-analyze verify reports:" >&2; echo "$output" >&2; exit 1; }

exposure=$(systemd-analyze security --offline=true --no-pager systemd/lintel.service | sed -n 's/.*exposure level for lintel.service: \([0-9.]*\).*/\1/p')
awk -v e="$exposure" 'BEGIN { exit !(e != "" && e < 2.0) }' || {
  echo "systemd-check: the unit's exposure is ${exposure:-unknown}; it must be below 2.0" >&2
  exit 1
}
systemd-sysusers --dry-run "$PWD/systemd/lintel.sysusers" >/dev/null
echo "systemd-check: the unit is clean, exposure $exposure"
