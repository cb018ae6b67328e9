#!/usr/bin/env bash
# Extracts the pinned ONNX Runtime library from its official Python wheel (MIT licence): libonnxruntime.so, LICENSE and
# ThirdPartyNotices.txt in .cache/onnxruntime/. Does nothing where they are present and intact.
#
#   scripts/fetch-onnxruntime.sh [--arch x86_64|aarch64]
#
# A foreign architecture has its own folder, .cache/onnxruntime-<arch>/. Needs python3 with pip (Debian: python3
# python3-pip), whose settings decide where the download comes from. The wheel's SHA-256 is checked.
# Not newer than 1.27: aarch64 builds from 1.28 on crash when qemu-user 7.2 loads them.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.27.0
host=$(uname -m)
arch=$host
while [ $# -gt 0 ]; do
  case "$1" in
    --arch) arch=${2:?"fetch-onnxruntime: --arch needs x86_64 or aarch64"}; shift 2 ;;
    --arch=*) arch=${1#--arch=}; shift ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "fetch-onnxruntime: unknown argument $1; see --help" >&2; exit 2 ;;
  esac
done
case "$arch" in
  x86_64) hash=e4f7b0e90d2d212e2c2deaa6c8291616183ab815d3ec558ea12d3ac8b26d36f4 ;;
  aarch64) hash=2eb083321af8a236a84c7c140a7f4cecbfa2a987a18c07c78db471c20cd390ef ;;
  *) echo "fetch-onnxruntime: no library is pinned for $arch, only for x86_64 and aarch64; build your own and set ORT_DYLIB_PATH" >&2; exit 2 ;;
esac

folder=.cache/onnxruntime
[ "$arch" = "$host" ] || folder=.cache/onnxruntime-$arch
library=libonnxruntime.so.$version

# The first line of SHA256SUMS is the wheel's hash: a new pin and a damaged file both lead to a new download.
if [ -f "$folder/SHA256SUMS" ] && [ "$(head -n 1 "$folder/SHA256SUMS")" = "# wheel $hash" ] &&
  [ -e "$folder/libonnxruntime.so" ] && (cd "$folder" && tail -n +2 SHA256SUMS | sha256sum --check --status); then
  echo "fetch-onnxruntime: ONNX Runtime $version for $arch is in $folder"
  exit 0
fi

python3 -m pip --version >/dev/null 2>&1 || {
  echo "fetch-onnxruntime: python3 with pip is missing; apt-get install python3 python3-pip" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "fetch-onnxruntime: downloading ONNX Runtime $version for $arch (wheel, about 20 MB)"
echo "onnxruntime==$version --hash=sha256:$hash" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
  --platform "manylinux_2_27_$arch" --platform "manylinux_2_28_$arch" --python-version 3.11 --implementation cp \
  --dest "$work" --requirement "$work/requirements.txt" || {
  echo "fetch-onnxruntime: pip could not fetch the wheel with this SHA-256; check the network and pip's index settings" >&2
  exit 1
}
wheel=$(echo "$work"/onnxruntime-*.whl)
echo "$hash  $wheel" | sha256sum --check --status || {
  echo "fetch-onnxruntime: the SHA-256 of $wheel is not the pinned one" >&2
  exit 1
}

# Written beside the target and then moved, so that an interrupted run leaves no partial folder.
mkdir -p .cache
new=$(mktemp -d .cache/onnxruntime.new.XXXXXX)
trap 'rm -rf "$work" "$new"' EXIT
python3 - "$wheel" "$new" "$library" <<'PYTHON'
import sys, zipfile

wheel, folder, library = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in (f"onnxruntime/capi/{library}", "onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"):
        with archive.open(name) as source, open(f"{folder}/{name.rsplit('/', 1)[1]}", "wb") as target:
            target.write(source.read())
PYTHON
chmod 755 "$new" "$new/$library"
ln -s "$library" "$new/libonnxruntime.so"
(cd "$new" && { echo "# wheel $hash"; sha256sum "$library" LICENSE ThirdPartyNotices.txt; } >SHA256SUMS)
rm -rf "$folder"
mv "$new" "$folder"
echo "fetch-onnxruntime: ONNX Runtime $version for $arch is in $folder"
