#!/usr/bin/env bash
# Installs a package on a bare Debian 12, runs the program there, and removes it again:
#
#   scripts/deb-check.sh amd64|arm64
#
# debootstrap makes the bare system once, in ${XDG_CACHE_HOME:-~/.cache}/lintel; each check uses a copy. Programs of another
# architecture run under qemu-user, which is registered with binfmt_misc while this script runs. The bare system has no
# systemd, so this does not show that the unit starts the node (scripts/systemd-check.sh checks the unit).
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${1:?"deb-check: amd64 or arm64"}
[ "$(id -u)" = 0 ] || { echo "deb-check: needs root for chroot" >&2; exit 1; }
deb=$(find target/deb -name "lintel_*_$arch.deb" | sort | tail -n 1)
[ -n "$deb" ] || { echo "deb-check: no package for $arch; run scripts/deb-build.sh $arch" >&2; exit 1; }

scripts/apt-install.sh deb-check debootstrap qemu-user-static >/dev/null

at_exit=()
# shellcheck disable=SC2317 # called by the trap
clean_up() {
  local command
  for command in "${at_exit[@]}"; do eval "$command"; done
}
trap clean_up EXIT
binfmt=/proc/sys/fs/binfmt_misc
if [ "$arch" != "$(dpkg --print-architecture)" ] && [ ! -e $binfmt/qemu-aarch64 ]; then
  if [ ! -e $binfmt/register ]; then
    mount -t binfmt_misc binfmt_misc $binfmt || { echo "deb-check: this kernel has no binfmt_misc" >&2; exit 1; }
    at_exit=("umount $binfmt")
  fi
  cat /usr/lib/binfmt.d/qemu-aarch64.conf >$binfmt/register
  at_exit=("echo -1 >$binfmt/qemu-aarch64" "${at_exit[@]}")
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/lintel
base=$cache/debian-12-$arch
# shellcheck disable=SC2016 # apt fills these in
sources=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
  awk '$1 == "Debian" && $4 == "main" && $3 ~ /^bookworm/ { print "deb " $2 " " $3 " main" }' | sort -u)
mirror=$(awk '$3 == "bookworm" { print $2; exit }' <<<"$sources")
[ -n "$mirror" ] || { echo "deb-check: apt knows no Debian archive here; run apt-get update" >&2; exit 1; }

within() {
  local root=$1
  shift
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

if [ ! -e "$base/made" ]; then
  echo "deb-check: making a bare Debian 12 for $arch"
  rm -rf "$base" "$base.new"
  mkdir -p "$cache"
  debootstrap --variant=minbase --arch="$arch" bookworm "$base.new" "$mirror" >"$base.log" 2>&1 || { tail "$base.log" >&2; exit 1; }
  echo "$sources" >"$base.new/etc/apt/sources.list"
  within "$base.new" apt-get update -q >>"$base.log" 2>&1 || { tail "$base.log" >&2; exit 1; }
  # Dependencies are part of the cached system, so that a check does not fetch them again.
  dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed -e 's/|.*//' -e 's/(.*//' -e 's/ //g' | sort -u >"$base.new/root/depends"
  # shellcheck disable=SC2046 # one word a package
  within "$base.new" apt-get install -y -q --no-install-recommends $(cat "$base.new/root/depends") >>"$base.log" 2>&1 ||
    { tail "$base.log" >&2; exit 1; }
  rm -f "$base.new"/var/cache/apt/archives/*.deb
  touch "$base.new/made"
  mv "$base.new" "$base"
fi

root=$(mktemp -d "$cache/check.XXXXXX")
at_exit=("rm -rf $root" "${at_exit[@]}")
cp -a --reflink=auto "$base/." "$root/"
cp "$deb" "$root/root/lintel.deb"
# As in Debian's own images: no package starts services while it is installed.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"

echo "deb-check: installing $deb"
within "$root" apt-get install -y -q --no-install-recommends /root/lintel.deb >"$root/install.log" 2>&1 || { tail -n 30 "$root/install.log" >&2; exit 1; }
grep -q 'lintel is not configured' "$root/install.log" || { echo "deb-check: the package does not print the next steps" >&2; exit 1; }
[ ! -e "$root/etc/lintel/lintel.toml" ] || { echo "deb-check: the package configured itself" >&2; exit 1; }
[ "$(stat -c '%a %U' "$root/etc/lintel/credentials")" = "700 root" ] || { echo "deb-check: other users can read the credentials" >&2; exit 1; }
within "$root" sh -c 'ldd /usr/bin/lintel | grep "not found"' && { echo "deb-check: libraries are missing" >&2; exit 1; }
within "$root" lintel --version

echo "deb-check: checking a config as the service's user, and detecting in a picture"
sed -e '/^include/d' -e '/^\[\[camera\]\]/,$d' "$root/usr/share/doc/lintel/examples/lintel.toml" >"$root/etc/lintel/lintel.toml"
install -D -m 644 testdata/clips/street.mp4 "$root/root/street.mp4"
install -m 644 testdata/frames/street_000.jpg testdata/clips/street.mp4 -t "$root/srv"
cat >>"$root/etc/lintel/lintel.toml" <<'CONFIG'
[[camera]]
id = "gate"
file = "/srv/street.mp4"
[[camera.rule]]
class = "motor_vehicle_parking"
CONFIG
# Leave out the keys that need the operator's own files.
sed -i -e '/_file = /d' -e '/password_/d' -e '/^dem = /d' -e '/^zones = /d' -e '/^permits = /d' -e '/^font = /d' "$root/etc/lintel/lintel.toml"
sed -i -e 's|^url = .*|url = "mqtt://localhost"|' "$root/etc/lintel/lintel.toml"
as_service() { within "$root" setpriv --reuid=lintel --regid=lintel --clear-groups env ORT_DYLIB_PATH=/usr/lib/lintel/libonnxruntime.so "$@"; }
as_service lintel check --config /etc/lintel/lintel.toml
as_service lintel detect /srv/street_000.jpg --model /usr/share/lintel/models/lintel-nano --out - >"$root/found.json"
grep -c '"category":"car"' "$root/found.json" | sed 's/.*/deb-check: & cars seen/'

echo "deb-check: removing, then purging"
within "$root" apt-get remove -y -q lintel >"$root/remove.log" 2>&1 || { tail "$root/remove.log" >&2; exit 1; }
if [ ! -f "$root/etc/lintel/lintel.toml" ] || [ ! -d "$root/var/lib/lintel" ]; then
  echo "deb-check: removing the package deleted config or data" >&2
  exit 1
fi
within "$root" apt-get purge -y -q lintel >"$root/purge.log" 2>&1 || { tail "$root/purge.log" >&2; exit 1; }
left=$(find "$root/usr" "$root/etc" "$root/var/lib" -name '*lintel*' ! -path '*/dpkg/*' ! -path '*/apt/*' 2>/dev/null || true)
[ -z "$left" ] || { echo "deb-check: purging left these files:" >&2; echo "$left" >&2; exit 1; }
echo "deb-check: $deb installs, runs, and leaves nothing behind"
