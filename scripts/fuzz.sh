#!/usr/bin/env bash
# Fuzzes the readers of telemetry: scripts/fuzz.sh [SECONDS each, default 300] [TARGET...]. Seeds are testdata/telemetry and,
# where LINTEL_SHARED has them, real flights. Ends with an error at the first finding and names the input.
# Coverage-guided by libFuzzer. A nightly toolchain adds the address sanitizer; without one the pinned compiler does.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-300}"
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(srt xmp klv)

flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
host="$(rustc -vV | sed -n 's/^host: //p')"
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
  export RUSTUP_TOOLCHAIN=nightly
  flags+=" -Zsanitizer=address"
fi
build=.cache/fuzz
mkdir -p "$build"
# --target keeps the flags off build scripts and macros.
RUSTFLAGS="$flags" cargo build --manifest-path fuzz/Cargo.toml --release --target "$host" --target-dir "$build/target" --bins

for target in "${targets[@]}"; do
  corpus="$build/corpus/$target"
  mkdir -p "$corpus"
  case "$target" in
    srt)
      cp testdata/telemetry/*.srt testdata/telemetry/*.SRT "$corpus/"
      # Only the first records of each: long inputs make the fuzzer slow.
      for file in "${LINTEL_SHARED:-../shared}"/data/extra/telemetry/dji_srt/*; do
        [ ! -f "$file" ] || head -c 2000 "$file" >"$corpus/real_$(basename "$file")"
      done
      ;;
    klv)
      cp testdata/telemetry/*.klv "$corpus/"
      for file in "${LINTEL_SHARED:-../shared}"/data/extra/telemetry/misb_klv/*.bin; do
        [ ! -f "$file" ] || { cp "$file" "$corpus/"; tail -c +19 "$file" >"$corpus/items_$(basename "$file")"; }
      done
      ;;
    xmp) cp testdata/telemetry/*.xmp "$corpus/" ;;
  esac
  echo "fuzz: $target for $seconds s"
  "$build/target/$host/release/$target" "$corpus" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$build/$target-" -timeout=10 -rss_limit_mb=2048 -detect_leaks=0 2>&1 | grep -vE '^#[0-9]+\s+(NEW|REDUCE|pulse|RELOAD)' || {
    echo "fuzz: $target found a crash; its input is $build/$target-*" >&2
    exit 1
  }
done
echo "fuzz: no crash found"
