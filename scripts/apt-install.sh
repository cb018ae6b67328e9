#!/usr/bin/env bash
# Installs those of the Debian packages that are missing:
#   scripts/apt-install.sh WHO PACKAGE...
# WHO is the prefix of the messages. Needs root (sudo) only if something is missing.
set -euo pipefail
who=$1
shift
missing=()
for package in "$@"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "$who: installing ${#missing[@]} Debian packages: ${missing[*]}"
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "$who: apt-get needs root; run as root: apt-get install ${missing[*]}" >&2; exit 1; }
  root=(sudo)
fi
"${root[@]}" apt-get update -q
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
