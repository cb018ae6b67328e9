#!/usr/bin/env bash
# Builds a release of the version in Cargo.toml into target/release-VERSION: both Debian packages, notes and checksums.
#
#   scripts/release.sh [--arch amd64|arm64]...   both architectures without --arch
#
# Refuses a tree with changes, and a version without a dated section in CHANGELOG.md ("## 1.2.3 - 2026-01-31"). The notes
# are that section. Tags and uploads nothing: it prints the commands.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "release: $*" >&2; exit 1; }

archs=()
while [ $# -gt 0 ]; do
  case "$1" in
    --arch) archs+=("${2:?"release: --arch needs amd64 or arm64"}"); shift 2 ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "release: unknown argument $1; see --help" >&2; exit 2 ;;
  esac
done
[ ${#archs[@]} -gt 0 ] || archs=(amd64 arm64)

changes=$(git status --porcelain)
[ -z "$changes" ] || fail "the tree has changes; commit them first:"$'\n'"$changes"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
date=$(sed -n "s/^## ${version//./\\.} - \([0-9]\{4\}-[0-9][0-9]-[0-9][0-9]\)\$/\1/p" CHANGELOG.md)
[ -n "$date" ] || fail "CHANGELOG.md has no section '## $version - YYYY-MM-DD' for the version in Cargo.toml"
tag=v$version
tagged=$(git rev-parse -q --verify "refs/tags/$tag^{commit}" || true)
if [ -n "$tagged" ] && [ "$tagged" != "$(git rev-parse HEAD)" ]; then
  fail "$tag is another commit; a new release needs a new version"
fi
cargo metadata --locked --no-deps --format-version 1 >/dev/null || fail "Cargo.lock does not fit Cargo.toml; run cargo check and commit"

out=target/release-$version
rm -rf "$out"
mkdir -p "$out"
echo "release: $version of $date, commit $(git rev-parse --short HEAD), into $out"

# The section between its heading and the next one, without blank lines at its ends.
awk -v heading="## $version - $date" '
  $0 == heading { inside = 1; next }
  /^## / { inside = 0 }
  inside && (started || NF) { started = 1; lines[++n] = $0; if (NF) last = n }
  END { for (i = 1; i <= last; i++) print lines[i] }
' CHANGELOG.md >"$out/RELEASE_NOTES.md"
[ -s "$out/RELEASE_NOTES.md" ] || fail "the section of $version in CHANGELOG.md is empty"

for arch in "${archs[@]}"; do
  scripts/deb-build.sh "$arch"
  cp "target/deb/lintel_${version}_$arch.deb" "$out/"
done
(cd "$out" && sha256sum -- *.deb RELEASE_NOTES.md >SHA256SUMS && sha256sum --check --quiet SHA256SUMS)

echo "release: done:"
(cd "$out" && find . -type f -printf '  %f\t%s bytes\n' | sort | expand -t 40)
[ -n "$tagged" ] || echo "release: to tag it: git tag -a $tag -F $out/RELEASE_NOTES.md && git push origin $tag"
