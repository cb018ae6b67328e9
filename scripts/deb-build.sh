#!/usr/bin/env bash
# Builds the Debian package target/deb/lintel_<version>_<arch>.deb:
#   scripts/deb-build.sh amd64|arm64
#
# Uses dpkg-deb and dpkg-shlibdeps alone; the list below is what the package contains. ONNX Runtime is included because
# Debian has none. GStreamer and the rest come from Debian, in the versions that the program was linked with.
# LINTEL_PROGRAM names a program already built for that architecture, LINTEL_NATIVE one built for this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${1:?"deb-build: amd64 or arm64"}
case $arch in
  amd64) machine=x86_64 ;;
  arm64) machine=aarch64 ;;
  *) echo "deb-build: amd64 or arm64, not $arch" >&2; exit 2 ;;
esac

# Cargo builds only what is older than its sources.
[ "$(uname -m)" = x86_64 ] || { echo "deb-build: packages are built on amd64" >&2; exit 1; }
native=${LINTEL_NATIVE:-target/release/lintel}
[ -n "${LINTEL_NATIVE:-}" ] || cargo build --release --locked -p lintel
if [ "$arch" = arm64 ]; then
  program=${LINTEL_PROGRAM:-target-cross/aarch64-unknown-linux-gnu/release/lintel}
  [ -n "${LINTEL_PROGRAM:-}" ] || scripts/cross/build.sh
  strip=aarch64-linux-gnu-strip
else
  program=$native
  strip="strip"
fi
scripts/fetch-onnxruntime.sh --arch "$machine"
runtime=.cache/onnxruntime
[ "$machine" = "$(uname -m)" ] || runtime=.cache/onnxruntime-$machine

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
doc=$root/usr/share/doc/lintel

install -D -m 755 "$program" "$root/usr/bin/lintel"
"$strip" --strip-unneeded "$root/usr/bin/lintel"
library=$(basename "$(readlink -f "$runtime/libonnxruntime.so")")
install -D -m 644 "$runtime/$library" "$root/usr/lib/lintel/$library"
ln -s "$library" "$root/usr/lib/lintel/libonnxruntime.so"
# Models: what the program reads, and the card. The training project stays in the source.
for model in models/*/model.toml; do
  folder=$(dirname "$model")
  target=$root/usr/share/lintel/models/$(basename "$folder")
  mkdir -p "$target"
  find "$folder" -maxdepth 1 -type f \( -name '*.toml' -o -name '*.onnx' -o -name '*.md' -o -name 'LICENSE*' \) \
    -exec install -m 644 -t "$target" {} +
done
install -D -m 644 systemd/lintel.service "$root/usr/lib/systemd/system/lintel.service"
install -D -m 644 systemd/lintel-receive.service "$root/usr/lib/systemd/system/lintel-receive.service"
install -D -m 644 systemd/lintel.sysusers "$root/usr/lib/sysusers.d/lintel.conf"
install -D -m 644 systemd/lintel.tmpfiles "$root/usr/lib/tmpfiles.d/lintel.conf"

install -d "$doc/examples/cameras" "$doc/schema"
install -m 644 README.md CHANGELOG.md NOTICE docs/*.md "$doc/"
install -m 644 docs/schema/*.json "$doc/schema/"
# The example with the package's paths.
sed -e 's|^\(# \)\?model = "../models/|\1model = "/usr/share/lintel/models/|' \
  -e 's|^data_dir = .*|data_dir = "/var/lib/lintel"|' config/lintel.example.toml >"$doc/examples/lintel.toml"
chmod 644 "$doc/examples/lintel.toml"
install -m 644 config/catalogue.toml "$doc/examples/"
install -m 644 config/cameras/* "$doc/examples/cameras/"
{
  sed "s|@VERSION@|$version|" packaging/copyright
  echo; echo "--- ONNX Runtime ---"; cat "$runtime/LICENSE"
} >"$doc/copyright"
gzip -9nc "$runtime/ThirdPartyNotices.txt" >"$doc/onnxruntime-third-party-notices.txt.gz"
python3 packaging/licences.py | gzip -9nc >"$doc/rust-crates-licences.txt.gz"

# The packages of the linked libraries, found for the host's architecture. The names are the same for arm64 as long as
# both programs need the same libraries, which is checked here.
needs() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux' | sort; }
mkdir -p "$work/debian"
printf 'Source: lintel\n\nPackage: lintel\nArchitecture: any\n' >"$work/debian/control"
if [ "$arch" = arm64 ] && ! diff <(needs "$native") <(needs "$program") >"$work/differ"; then
  echo "deb-build: the arm64 program needs other libraries than the amd64 one:" >&2
  cat "$work/differ" >&2
  exit 1
fi
native=$(realpath "$native")
linked=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info -e"$native" 2>"$work/shlibdeps.log" |
  sed -n 's/^shlibs:Depends=//p') || { cat "$work/shlibdeps.log" >&2; exit 1; }
[ -n "$linked" ] || { cat "$work/shlibdeps.log" >&2; echo "deb-build: dpkg-shlibdeps found no dependencies" >&2; exit 1; }

install -d "$root/DEBIAN"
sed -e "s|@VERSION@|$version|" -e "s|@ARCH@|$arch|" -e "s|@LINKED@|$linked|" \
  -e "s|@SIZE@|$(du -sk --exclude=DEBIAN "$root" | cut -f1)|" packaging/control >"$root/DEBIAN/control"
for script in postinst prerm postrm; do install -m 755 "packaging/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -type d -exec chmod 755 {} +

mkdir -p target/deb
out=target/deb/lintel_${version}_$arch.deb
# Reproducible: the same sources give the same bytes.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
echo "deb-build: $out, $(du -h "$out" | cut -f1)"
