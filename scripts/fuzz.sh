#!/usr/bin/env bash
# Fuzzes everything that reads foreign bytes: scripts/fuzz.sh [SECONDS each, default 300] [TARGET...]. Seeds are fuzz/seeds,
# testdata, the example config and, where LINTEL_SHARED has them, real flights. Ends with an error at the first finding and
# names the input. Inputs that reach new code are kept in .cache/fuzz/corpus, so a later run continues from them.
# Coverage-guided by libFuzzer. A nightly toolchain adds the address sanitizer; without one the pinned compiler does.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-300}"
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(srt xmp klv access_unit packets chunk command confirmation config)

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
RUSTFLAGS="$flags" cargo build --locked --manifest-path fuzz/Cargo.toml --release --target "$host" --target-dir "$build/target" --bins

# Text without comments and empty lines.
plain() { grep -vhE '^[[:space:]]*(#|$)' "$@"; }

# Files of a config in one input, as the target divides them: main file, cameras, catalogue, zones, permits.
config_seed() {
  local name="$1" main="$2" file
  shift 2
  {
    plain "$main"
    for file in "$@"; do
      printf '\f'
      [ -z "$file" ] || plain "$file"
    done
  } >"$corpus/$name"
}

# Keys and names of configs, so that the fuzzer need not find them letter by letter.
config_words() {
  local files=(config/*.toml config/*/*.toml testdata/config/*/*.toml src/config/defaults.toml)
  grep -hoE '^[#[:space:]]*[a-z_.]+ = ' "${files[@]}" | tr -d '#' | sed -E 's/^ *(.*)$/"\\x0a\1"/' | sort -u
  grep -hoE '^\[+[a-z_.]+\]+' "${files[@]}" | sed -E 's/^.*$/"\\x0a&\\x0a"/' | sort -u
  grep -hoE '"[a-z_]+"' "${files[@]}" | sort -u
  grep -hoE '"[a-zA-Z_]+"' config/map/*.geojson testdata/config/*/parts/*.geojson | sed -E 's/"(.*)"/"\\x22\1\\x22"/' | sort -u
}

for target in "${targets[@]}"; do
  corpus="$build/corpus/$target"
  mkdir -p "$corpus"
  options=(-max_len=4096)
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
    config)
      for file in testdata/config/*/*.toml testdata/drone/lintel.toml testdata/demo/lintel.toml testdata/change/week.toml; do
        config_seed "$(echo "$file" | tr / _)" "$file"
      done
      bad=testdata/config/bad/parts
      config_seed example config/lintel.example.toml config/cameras/gate.toml "" config/map/zones.geojson config/map/permits.geojson
      config_seed mast config/lintel.example.toml config/cameras/mast.toml "" config/map/zones.geojson
      config_seed minimal testdata/config/good/minimal.toml "" config/catalogue.toml
      config_seed ground testdata/config/bad/ground_zones.toml "" "" "$bad/zones.geojson" "$bad/permits.geojson"
      config_seed area testdata/config/bad/flight_area.toml "" "" "$bad/flight_zones.geojson"
      config_seed parts testdata/config/bad/bad_catalogue.toml "$bad/cameras.toml" "$bad/catalogue.toml" "$bad/broken.geojson"
      config_words >"$build/config.dict"
      options=(-max_len=12288 -dict="$build/config.dict")
      ;;
    *) cp "fuzz/seeds/$target"/* "$corpus/" ;;
  esac
  echo "fuzz: $target for $seconds s"
  "$build/target/$host/release/$target" "$corpus" "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$build/$target-" -timeout=10 -rss_limit_mb=2048 -detect_leaks=0 2>&1 | grep -vE '^#[0-9]+\s+(NEW|REDUCE|pulse|RELOAD)' || {
    echo "fuzz: $target found a crash; its input is $build/$target-*" >&2
    exit 1
  }
done
echo "fuzz: no crash found"
