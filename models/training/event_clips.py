"""Makes clips of a street as seen from a mast, with events and their truth.

    python event_clips.py --cutouts runs/held-out-cutouts --out runs/events

Uses rendered cut-outs that no training saw. Writes per clip a video (one picture per two seconds,
all key frames), lintel.toml, and truth.json with the violations of the rules in lintel.toml:
[{class, from, to} in seconds of footage]. The clips also contain harmless events: cars pass, one
stops for less than the dwell, people walk. The same arguments give the same clips.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detector.classes import load_classes
from detector.paste import GROUNDS, Cutout, blend, load_rendered, patches

WIDTH, HEIGHT, STEP, LENGTH = (
    1280,
    720,
    2.0,
    600.0,
)  # pixels, seconds between pictures, seconds of a clip
DWELL = 60.0  # of the presence rules
METRES_PER_PIXEL = 0.11
ACTORS = ("car", "truck", "bus", "dump_truck", "motorcycle", "person", "excavator", "vendor_stall")

WHOLE, SLICES = "{ columns = 1, rows = 1 }", "{ columns = 2, rows = 2, per_picture = 2 }"
CONFIG = """# Written by event_clips.py.
[node]
id = "clips"
data_dir = "data"
time_zone = "UTC"
[detect]
model = "{model}"
[mqtt]
url = "mqtt://127.0.0.1:1"
[http]
enabled = false
[[camera]]
id = "mast"
url = "rtsp://127.0.0.1:1/none"
interval = "2s"
tiling = {tiling}
[[camera.zone]]
id = "kerb"
polygon = [[0.0, 0.50], [1.0, 0.50], [1.0, 0.66], [0.0, 0.66]]
[[camera.zone]]
id = "yard"
polygon = [[0.0, 0.68], [1.0, 0.68], [1.0, 1.0], [0.0, 1.0]]
[[camera.rule]]
class = "motor_vehicle_parking"
zones = ["kerb"]
dwell = "60s"
[[camera.rule]]
class = "material_transport"
zones = ["yard"]
[[camera.rule]]
class = "construction_work"
zones = ["yard"]
dwell = "60s"
[[camera.rule]]
class = "mobile_vending"
zones = ["kerb"]
dwell = "60s"
"""


@dataclass
class Actor:
    """An object that appears at `come`, stays at (x, y) in fractions of the picture from `stand` to
    `leave`, and has left at `gone`.
    """

    cutout: Cutout
    x: float
    y: float
    come: float
    stand: float
    leave: float
    gone: float

    def place(self, t: float) -> float | None:
        """Its position along the street at t, as a fraction of the width; None if not in the
        picture.
        """
        if not self.come <= t <= self.gone:
            return None
        if t < self.stand:
            return self.x - (self.stand - t) / (self.stand - self.come) * (self.x + 0.15)
        if t > self.leave:
            return self.x + (t - self.leave) / (self.gone - self.leave) * (1.15 - self.x)
        return self.x


def street(rng) -> np.ndarray:
    """Draws the house side, road, kerb and yard."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for top, bottom, colour in (
        (0, 0.2, GROUNDS[7]),
        (0.2, 0.5, GROUNDS[0]),
        (0.5, 0.66, GROUNDS[1]),
        (0.66, 1.0, GROUNDS[int(rng.integers(2, 6))]),
    ):
        a, b = int(top * HEIGHT), int(bottom * HEIGHT)
        picture[a:b] = cv2.resize(patches(colour, 512, rng), (WIDTH, HEIGHT))[a:b]
    for x in range(0, WIDTH, 90):
        picture[int(0.35 * HEIGHT) : int(0.35 * HEIGHT) + 3, x : x + 45] = 210
    return picture


def plan(rng, groups: dict[str, list[Cutout]]) -> tuple[list[Actor], list[dict]]:
    def one(name: str) -> Cutout:
        return groups[name][int(rng.integers(len(groups[name])))]

    actors, truth = [], []

    def stays(name, kind, x, y, start, length, opens_after):
        if name not in groups:
            return
        actors.append(Actor(one(name), x, y, start - 8, start, start + length, start + length + 8))
        if kind:
            truth.append(
                {"class": kind, "from": start + (opens_after or -8), "to": start + length + 8}
            )

    stays("car", "motor_vehicle_parking", rng.uniform(0.2, 0.4), 0.58, 40, 200, DWELL)
    stays("truck", "motor_vehicle_parking", rng.uniform(0.6, 0.8), 0.57, 330, 150, DWELL)
    stays("car", None, rng.uniform(0.5, 0.8), 0.58, 120, 24, None)
    stays("dump_truck", "material_transport", rng.uniform(0.5, 0.8), 0.82, 60, 90, 0)
    stays("excavator", "construction_work", rng.uniform(0.2, 0.4), 0.84, 220, 200, DWELL)
    stays("vendor_stall", "mobile_vending", rng.uniform(0.05, 0.15), 0.58, 280, 220, DWELL)
    for _ in range(14):
        start = rng.uniform(0, LENGTH - 10)
        name = ("car", "car", "car", "bus", "motorcycle")[int(rng.integers(5))]
        actors.append(
            Actor(
                one(name), 0.5, rng.uniform(0.27, 0.43), start, start + 5, start + 5.1, start + 10
            )
        )
    for _ in range(6):
        start = rng.uniform(0, LENGTH - 90)
        actors.append(
            Actor(
                one("person"),
                0.5,
                rng.uniform(0.52, 0.64),
                start,
                start + 40,
                start + 41,
                start + 85,
            )
        )
    return actors, truth


def draw(background: np.ndarray, actors: list[Actor], t: float, rng) -> np.ndarray:
    picture = background.copy()
    for actor in sorted(actors, key=lambda a: a.y):
        x = actor.place(t)
        if x is None:
            continue
        c = actor.cutout
        scale = c.metres_per_pixel / METRES_PER_PIXEL * (0.6 + 0.6 * actor.y)
        piece = cv2.resize(c.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        middle = (c.box[:2] + c.box[2:]) / 2 * scale
        still = np.random.default_rng(0)  # the same light in every picture
        blend(picture, piece, int(x * WIDTH - middle[0]), int(actor.y * HEIGHT - middle[1]), still)
    noise = rng.integers(-3, 4, picture.shape, dtype=np.int16)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes clips with known events.")
    parser.add_argument("--cutouts", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("../lintel-nano"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument(
        "--slices", action="store_true", help="also analyse two of 2 x 2 slices of each picture"
    )
    args = parser.parse_args()
    classes = load_classes()
    groups: dict[str, list[Cutout]] = {}
    for c in load_rendered(args.cutouts, classes):
        groups.setdefault(classes.names[c.label], []).append(c)
    missing = [n for n in ACTORS if n not in groups]
    if missing:
        print(
            f"{args.cutouts}: no cut-out of {', '.join(missing)}; the clips have no events with it"
        )
    for number in range(args.clips):
        rng = np.random.default_rng((77, number))
        folder = args.out / f"clip{number}"
        folder.mkdir(parents=True, exist_ok=True)
        # A mast has one viewing angle, so half of the clips are steep.
        fitting = {
            n: [c for c in cs if c.steep == (number % 2 == 1)] or cs for n, cs in groups.items()
        }
        actors, truth = plan(rng, fitting)
        background = street(rng)
        command = (
            f"ffmpeg -v error -y -f rawvideo -pix_fmt bgr24 -s {WIDTH}x{HEIGHT} -r {1 / STEP} -i - "
            "-c:v libx264 -preset veryfast -crf 24 -g 1 -pix_fmt yuv420p"
        )
        with subprocess.Popen(
            [*command.split(), str(folder / "clip.mp4")], stdin=subprocess.PIPE
        ) as encoder:
            for k in range(int(LENGTH / STEP)):
                encoder.stdin.write(draw(background, actors, k * STEP, rng).tobytes())
            encoder.stdin.close()
        (folder / "truth.json").write_text(
            json.dumps({"seconds": LENGTH, "events": truth}, indent=1) + "\n", encoding="utf-8"
        )
        (folder / "lintel.toml").write_text(
            CONFIG.format(model=args.model.resolve(), tiling=SLICES if args.slices else WHOLE),
            encoding="utf-8",
        )
        print(folder)


if __name__ == "__main__":
    main()
