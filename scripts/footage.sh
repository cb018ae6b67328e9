#!/usr/bin/env bash
# Makes the footage of the benches out of the committed street clip, into .cache/footage: 1080p, 25 fps, H.264 at about
# 4 Mbit/s with a key frame every 2 s and no B-frames, 80 s, as a usual camera sends it. Does nothing where it is there.
#
#   busy.mp4    the street as it is: people and vehicles move all the time
#   quiet.mp4   one moment of it that stands still, under the noise of a sensor, which takes the same bit rate
#
# Needs ffmpeg with libx264. About four minutes on two cores, once.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.cache/footage
clip=testdata/clips/street.mp4
mkdir -p "$out"

encode() { # NAME FILTER INPUT...: also in the name of a cut one, so that a broken run leaves nothing that looks whole
  local name=$1 filter=$2; shift 2
  [ -e "$out/$name.mp4" ] && return
  echo "footage: $out/$name.mp4" >&2
  ffmpeg -nostdin -v error -y "$@" -t 80 -an -vf "$filter" -r 25 -c:v libx264 -preset veryfast -profile:v high \
    -b:v 4M -maxrate 5M -bufsize 4M -bf 0 -g 50 -keyint_min 50 -sc_threshold 0 -pix_fmt yuv420p \
    -movflags +faststart -f mp4 "$out/$name.part"
  mv "$out/$name.part" "$out/$name.mp4"
}

# The clip has 10 pictures a second: each is shown two or three times, and noise of its own makes every one different.
encode busy "fps=25,scale=1920:1080:flags=bicubic,noise=alls=6:allf=t" -stream_loop 1 -i "$clip"
encode quiet "fps=25,scale=1920:1080:flags=bicubic,noise=alls=6:allf=t" -loop 1 -framerate 25 -i testdata/frames/street_300.jpg
