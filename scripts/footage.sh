#!/usr/bin/env bash
# Makes the benches' footage from the committed street clip, in .cache/footage: 1080p, 25 fps, 80 s, H.264 at about
# 4 Mbit/s, a key frame every 2 s, no B-frames, like a typical camera. Does nothing where it exists.
#
#   busy.mp4    the street as it is: people and vehicles move all the time
#   quiet.mp4   one still moment of it with sensor noise, at the same bit rate
#
# Needs ffmpeg with libx264. Takes about four minutes on two cores, once.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.cache/footage
clip=testdata/clips/street.mp4
mkdir -p "$out"

encode() { # NAME FILTER INPUT...; written as .part first, so that an interrupted run leaves no file that looks complete
  local name=$1 filter=$2; shift 2
  [ -e "$out/$name.mp4" ] && return
  echo "footage: $out/$name.mp4" >&2
  ffmpeg -nostdin -v error -y "$@" -t 80 -an -vf "$filter" -r 25 -c:v libx264 -preset veryfast -profile:v high \
    -b:v 4M -maxrate 5M -bufsize 4M -bf 0 -g 50 -keyint_min 50 -sc_threshold 0 -pix_fmt yuv420p \
    -movflags +faststart -f mp4 "$out/$name.part"
  mv "$out/$name.part" "$out/$name.mp4"
}

# The clip has 10 pictures a second. Each is repeated two or three times, every time with different noise.
encode busy "fps=25,scale=1920:1080:flags=bicubic,noise=alls=6:allf=t" -stream_loop 1 -i "$clip"
encode quiet "fps=25,scale=1920:1080:flags=bicubic,noise=alls=6:allf=t" -loop 1 -framerate 25 -i testdata/frames/street_300.jpg
