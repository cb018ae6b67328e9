#!/usr/bin/env bash
# Makes what a cross build for aarch64 needs on Debian 12, without Docker and without foreign packages on this machine:
#
#   $LINTEL_CROSS/sysroot   arm64 libraries and headers, unpacked from Debian's packages
#   $LINTEL_CROSS/rust      Debian's rustc-web (amd64) with the arm64 standard library of the same version
#
# $LINTEL_CROSS defaults to ${XDG_CACHE_HOME:-~/.cache}/lintel/cross-arm64, outside the tree, so that it survives `make clean`
# and serves fresh clones. It is built in a temporary folder and moved there at the end. Does nothing where it exists.
# Takes 2.6 GB and about 3 minutes. `scripts/cross/sysroot.sh --refresh` rebuilds it (after Debian's security updates).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cross=${LINTEL_CROSS:-${XDG_CACHE_HOME:-$HOME/.cache}/lintel/cross-arm64}

# Bump the number when the list or the steps change.
recipe=2
packages=(
  libc6-dev libstdc++-12-dev libssl-dev libstd-rust-web-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev
  libopencv-dev
  # to run the program: decoders, parsers, muxers
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav fonts-wqy-microhei ca-certificates
)
wanted="recipe $recipe: ${packages[*]}"
[ "$(. /etc/os-release && echo "$VERSION_CODENAME")" = bookworm ] || {
  echo "sysroot: needs Debian 12 (bookworm); elsewhere use Docker, see cross.toml" >&2
  exit 1
}
"$here/../apt-install.sh" cross crossbuild-essential-arm64 qemu-user-static
if [ "${1:-}" != --refresh ] && [ "$(cat "$cross/made" 2>/dev/null)" = "$wanted" ]; then
  echo "sysroot: $cross exists"
  exit 0
fi

new=$cross.new.$$
trap 'rm -rf "$new"' EXIT
apt=$new/apt root=$new/sysroot rust=$new/rust
mkdir -p "$apt"/state/lists/partial "$apt"/cache/archives/partial "$apt"/etc "$root"/usr/{bin,sbin,lib} "$rust"

# A separate apt with this machine's archive, for its own architecture and for arm64.
: >"$apt/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# shellcheck disable=SC2016 # apt fills these in
apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
  awk -v key="$keyring" '$1 == "Debian" && $4 == "main" && $3 ~ /^bookworm/ {
    print "deb [signed-by=" key "] " $2 " " $3 " main" }' | sort -u >"$apt/etc/sources.list"
[ -s "$apt/etc/sources.list" ] || { echo "sysroot: apt knows no Debian archive here; run apt-get update" >&2; exit 1; }
cat >"$apt/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; "amd64"; };
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Install-Recommends "false";
Debug::NoLocking "true";
APT::Sandbox::User "root";
CONF
echo "sysroot: reading the package lists"
APT_CONFIG=$apt/apt.conf apt-get update -q >"$new/apt.log" 2>&1 || { cat "$new/apt.log" >&2; exit 1; }
echo "sysroot: downloading arm64 packages"
APT_CONFIG=$apt/apt.conf apt-get install -y -q --download-only "${packages[@]}" >"$new/apt.log" 2>&1 || {
  tail -n 20 "$new/apt.log" >&2
  exit 1
}

echo "sysroot: unpacking $(find "$apt/cache/archives" -name '*.deb' | wc -l) packages"
# Debian's merged /usr, as on a real system; packages still ship both forms.
for folder in bin sbin lib; do ln -s "usr/$folder" "$root/$folder"; done
for deb in "$apt"/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" -f -
done
# Alternatives are links that maintainer scripts make, so they are made here.
for library in blas lapack; do
  for file in "$root/usr/lib/aarch64-linux-gnu/$library/lib$library".so*; do
    [ -e "$file" ] && ln -sf "$library/$(basename "$file")" "$root/usr/lib/aarch64-linux-gnu/"
  done
done
# Absolute links would point outside the sysroot.
find "$root" -type l -lname '/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link target; do
  if [ -e "$root$target" ] || [ -L "$root$target" ]; then
    ln -sfn "$(realpath -ms --relative-to="$(dirname "$link")" "$root$target")" "$link"
  fi
done

# The compiler runs here, so it is amd64, in exactly the version of the arm64 standard library.
version=$(dpkg-deb -f "$apt"/cache/archives/libstd-rust-web-dev_*_arm64.deb Version)
echo "sysroot: rustc-web $version"
mkdir "$new/host"
rust_packages=("rustc-web:amd64=$version" "libstd-rust-web-dev:amd64=$version")
for name in $(APT_CONFIG=$apt/apt.conf apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
  --no-replaces --no-enhances "rustc-web:amd64" "libstd-rust-web-dev:amd64" |
  grep -oE '(libstd-rust-web-[0-9.]+|libllvm[0-9]+)(:amd64)?' | sed 's/:amd64$//' | sort -u); do
  rust_packages+=("$name:amd64")
done
(cd "$new/host" && APT_CONFIG=$apt/apt.conf apt-get download -q "${rust_packages[@]}" >"$new/apt.log" 2>&1) || {
  tail -n 20 "$new/apt.log" >&2
  exit 1
}
for deb in "$new"/host/*.deb; do dpkg-deb -x "$deb" "$rust"; done
cp -a "$root/usr/lib/rustlib/aarch64-unknown-linux-gnu" "$rust/usr/lib/rustlib/"
LD_LIBRARY_PATH=$rust/usr/lib/x86_64-linux-gnu "$rust/usr/bin/rustc" -V

rm -rf "$apt" "$new/host" "$new/apt.log"
echo "$wanted" >"$new/made"
rm -rf "$cross"
mkdir -p "$(dirname "$cross")"
mv "$new" "$cross"
echo "sysroot: made $cross"
