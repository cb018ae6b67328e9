"""Prepares the real footage of the shared data for event_score.py, with truth noted by a person.

    python footage_events.py --out runs/footage-events

Reads $LINTEL_SHARED/data/extra. Writes one folder per clip with clip.mp4, lintel.toml and
truth.json, like event_clips.py. On the four roads all traffic moves, so every parked vehicle
reported there is false. On the four building sites people work and, where the truth says so,
machines stand. Their pictures are minutes apart and play as one every ten seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

from event_clips import CONFIG, WHOLE

ROADS = (
    "highway_cctv_320x240.avi",
    "highway_overpass_320x240.avi",
    "intel_car_overhead_768x432.mp4",
    "simple_vehicle_counting_overhead_320x176.avi",
)
# Site: whether machines are at work in it; a person checked every picture.
SITES = {"site_a": False, "site_b": False, "site_c": True, "site_d": True}
BETWEEN = 10.0  # seconds from one picture of a site to the next
RULES = """
[[camera.rule]]
class = "motor_vehicle_parking"
dwell = "10s"
[[camera.rule]]
class = "material_transport"
[[camera.rule]]
class = "construction_work"
dwell = "20s"
[[camera.rule]]
class = "mobile_vending"
dwell = "20s"
"""


def lay_out(folder: Path, source: list[str], model: Path, events) -> None:
    """`events`: a function of the clip's length in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder / "clip.mp4"
    encoding = (
        "-an -c:v libx264 -preset veryfast -crf 18 -g 25 "
        "-vf scale=trunc(iw/2)*2:trunc(ih/2)*2 -pix_fmt yuv420p"
    )
    command = ["ffmpeg", "-v", "error", "-y", *source, *encoding.split(), str(clip)]
    subprocess.run(command, check=True)
    asked = [*"ffprobe -v error -show_entries format=duration -of csv=p=0".split(), str(clip)]
    seconds = float(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    (folder / "truth.json").write_text(
        json.dumps({"seconds": seconds, "events": events(seconds)}, indent=1) + "\n",
        encoding="utf-8",
    )
    node = CONFIG.split("[[camera.zone]]")[0].format(model=model.resolve(), tiling=WHOLE)
    (folder / "lintel.toml").write_text(node + RULES.lstrip(), encoding="utf-8")
    print(folder)


def never(_seconds: float) -> list[dict]:
    return []


def all_the_time(seconds: float) -> list[dict]:
    return [{"class": "construction_work", "from": 0, "to": seconds}]


def main() -> None:
    parser = argparse.ArgumentParser(description="Lays out real footage for event_score.py.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("../lintel-nano"))
    args = parser.parse_args()
    extra = Path(os.environ.get("LINTEL_SHARED", "../../../shared")) / "data/extra"
    for name in ROADS:
        lay_out(
            args.out / Path(name).stem,
            ["-i", str(extra / "video" / name)],
            args.model,
            never,
        )
    for site, machines in SITES.items():
        stills = str(extra / "timelapse" / site / "*.jpg")
        pictures = [*f"-framerate {1 / BETWEEN} -pattern_type glob -i".split(), stills, "-r", "1"]
        lay_out(
            args.out / site,
            pictures,
            args.model,
            all_the_time if machines else never,
        )


if __name__ == "__main__":
    main()
