"""Generates weeks of a fixed camera on a mast, with planted changes and their truth.

    python scenes.py --seed 1 --days 14 --step 20 --out DIR

writes
- DIR/seed1.mp4: every picture is a key frame, and presentation times are those of the scene;
- DIR/seed1.json: the truth, with the time and outline of each change;
- DIR/seed1.toml: a config with the scene's zones and rules, for `lintel replay`.

Run it through tools/scenes/make.sh, which installs NumPy and OpenCV.
"""

import argparse
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from light import Shade, Weather, plan_weather
from plan import person, plan, vehicle
from world import Crown, World, corners

START = datetime(2026, 10, 5, tzinfo=UTC)
OFFSET_H = 8
MODEL = Path(__file__).resolve().parents[2] / "models/lintel-nano"
# The values of a layer for each pixel.
LAYERS = ("depth", "position", "normal", "albedo", "ir", "leaf")


class Canvas:
    """The base layer, and the layers drawn over it in one picture."""

    def __init__(self, base):
        self.base = base
        self.layers = {}

    def compose(self, layers, leaf_holes):
        parts = [getattr(self.base, name).copy() for name in LAYERS]
        for layer in layers:
            h, w = layer.depth.shape
            window = (slice(layer.y, layer.y + h), slice(layer.x, layer.x + w))
            nearer = layer.depth <= parts[0][window] * 1.0001
            nearer &= np.isfinite(layer.depth)
            if layer.leaf.any():
                nearer &= ~leaf_holes[window]
            for name, part in zip(LAYERS, parts, strict=True):
                part[window][nearer] = getattr(layer, name)[nearer]
        return parts


def shown(world, base, objects, size, trees=()):
    """Where objects are visible in the picture: a mask of 0 and 1. `trees`: layers of crowns, which
    hide what is behind them.
    """
    w, h = size
    mask = np.zeros((h, w), np.uint8)
    layer = world.layer(objects)
    if layer is None:
        return mask
    h2, w2 = layer.depth.shape
    window = (slice(layer.y, layer.y + h2), slice(layer.x, layer.x + w2))
    depth = np.full((h, w), np.inf, np.float32)
    depth[window] = layer.depth
    mask[window] = (layer.depth <= base.depth[window] * 1.0001) & np.isfinite(layer.depth)
    for tree in trees:
        h2, w2 = tree.depth.shape
        window = (slice(tree.y, tree.y + h2), slice(tree.x, tree.x + w2))
        mask[window][tree.depth < depth[window]] = 0
    return mask


def outline(mask):
    """The largest part of a mask as a polygon in fractions of the picture, or None; the mask's
    share of the picture.
    """
    h, w = mask.shape
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not found:
        return None, 0.0
    largest = max(found, key=cv2.contourArea)
    shape = cv2.approxPolyDP(largest, 1.0, True)[:, 0, :]
    return [[round(float(x) / w, 4), round(float(y) / h, 4)] for x, y in shape], float(
        mask.sum()
    ) / (w * h)


def truth(world, base, p, size):
    """The truth of the planted changes. `from` and `to` are UTC. Each of `steps` has the outline
    and the `share` of the picture without trees in front, and `seen`, the share with trees in
    leaf.
    """
    trees = [layer for layer in (world.layer([c]) for c in p.crowns) if layer]
    out = []
    for planted in p.planted:
        steps = []
        for hour, objects in planted.steps:
            shape, share = outline(shown(world, base, objects, size))
            if shape:
                seen = float(shown(world, base, objects, size, trees).mean())
                steps.append(
                    {
                        "from": stamp(hour),
                        "outline": shape,
                        "share": round(share, 6),
                        "seen": round(seen, 6),
                    }
                )
        # The last visible step decides: a heap beyond the picture's edge leaves nothing to find.
        if shape:
            out.append(
                {
                    "id": planted.id,
                    "kind": planted.kind,
                    "class": planted.rule,
                    "zone": planted.zone,
                    "from": steps[0]["from"],
                    "to": stamp(planted.to) if planted.to is not None else None,
                    "steps": steps,
                }
            )
    return out


def snow(weather):
    """The periods with snow on the ground, in UTC."""
    lies = [w.snow > 0.05 for w in weather]
    ends = [
        h for h in range(len(lies) + 1) if (h > 0 and lies[h - 1]) != (h < len(lies) and lies[h])
    ]
    return [[stamp(a), stamp(b)] for a, b in zip(ends[::2], ends[1::2], strict=True)]


def stamp(hour):
    """Scene hours (local time from midnight) as UTC."""
    return (START + timedelta(hours=hour - OFFSET_H)).strftime("%Y-%m-%dT%H:%M:%SZ")


def traffic(rng, hour):
    """The moving objects of one picture: vehicles on the road, people around it."""
    busy = 0.15 if hour % 24 < 6 or hour % 24 > 22 else 1.0
    objects = []
    for _ in range(rng.poisson(1.6 * busy)):
        lane = rng.choice([56.2, 60.6])
        size = (2.5, 9.0, 3.2) if rng.random() < 0.2 else (1.8, 4.4, 1.5)
        objects.append(vehicle(rng.uniform(-50, 50), lane, rng.uniform(0.04, 0.7, 3), "x", size))
    for _ in range(rng.poisson(2.0 * busy)):
        x, y = (
            (rng.uniform(-36, -8), rng.uniform(30, 47))
            if rng.random() < 0.5
            else (rng.uniform(-40, 40), rng.uniform(64, 71))
        )
        objects.append(person(x, y, rng.uniform(0.05, 0.6, 3)))
    return objects


def pictures(args, rng, p, world):
    """Yields the permanent layer and the hourly weather, then (hour, picture) one by one."""
    hours = int(args.days * 24)
    weather = plan_weather(rng, hours, p.winter)
    if args.calm:
        weather = [Weather(cloud=w.cloud, wind=w.wind * 0.5) for w in weather]
    ground = world.ground(p.patches)
    canvas = Canvas(ground)
    static = [world.layer([b]) for b in p.boxes]
    base = Canvas(ground)
    parts = base.compose([s for s in static if s], np.zeros(ground.depth.shape, bool))
    for name, part in zip(LAYERS, parts, strict=True):
        setattr(ground, name, part)
    yield ground, weather
    crowns = [layer for layer in (world.layer([c]) for c in p.crowns) if layer]
    shade = Shade(p.camera, world.noise, rng)
    layers = {}
    w, h = p.camera.size
    falling = rng.random((h // 2 + 1, w // 2 + 1), np.float32)
    for n in range(int(hours * 60 / args.step)):
        hour = n * args.step / 60
        now = weather[int(hour)]
        bare = min(1.0, p.leaf_fall * hour / hours)
        gust = rng.random(falling.shape, np.float32) < 0.06 + 0.12 * now.wind
        holes = (
            cv2.resize(
                ((falling < bare * 0.85) | gust).astype(np.uint8),
                (w, h),
                interpolation=cv2.INTER_NEAREST,
            )
            > 0
        )
        objects = [(f"planted{i}", q.things(hour)) for i, q in enumerate(p.planted)]
        objects += [(f"visit{i}", v[2]) for i, v in enumerate(p.visits) if v[0] <= hour < v[1]]
        present = [t for _, group in objects for t in group]
        drawn = []
        for key, group in objects:
            if group:
                key = (key, id(group))
                if key not in layers:
                    layers[key] = world.layer(group)
                drawn.append(layers[key])
        passing = traffic(rng, hour)
        drawn += [world.layer(group) for group in passing]
        present += [t for group in passing for t in group]
        drawn = [layer for layer in drawn if layer is not None]
        sway = [shifted(c, rng, now.wind, w) for c in crowns]
        scene = canvas.compose(drawn + sway, holes)
        headlights = np.zeros((h, w), np.float32)
        for group in passing:
            x, y = p.camera.project([corners(group[0]).mean(0)])[0]
            if 0 <= x < w and 0 <= y < h:
                cv2.circle(headlights, (int(x), int(y)), int(w * 0.02), 1.0, -1)
        casters = p.boxes + [t for t in present if hasattr(t, "pattern") and len(t.lo) == 3]
        heaps = [t for t in present if isinstance(t, Crown)]
        yield (
            hour,
            shade.picture(
                scene,
                p.first_day + hour / 24,
                hour % 24,
                now,
                bare,
                casters,
                p.crowns + heaps,
                cv2.GaussianBlur(headlights, (0, 0), 6),
            ),
        )


def shifted(layer, rng, wind, width):
    """A crown in the wind."""
    out = type(layer)(**vars(layer))
    w = layer.depth.shape[1]
    out.x = int(np.clip(layer.x + rng.normal(0, 0.6 + 1.5 * wind), 0, width - w))
    grain = 1 + 0.35 * rng.standard_normal((layer.depth.shape[0], w, 1)).astype(np.float32)
    out.albedo = layer.albedo * cv2.blur(np.clip(grain[..., 0], 0.3, 1.9), (2, 2))[..., None]
    return out


def config(p, name, dwell_h, folder):
    """The config of a node whose camera is the scene. The model's path is relative to `folder`,
    where the config will be.
    """
    model = os.path.relpath(MODEL, folder)
    lines = [
        "# Generated with its scene: the zones and rules for its planted changes.",
        "",
        "[node]",
        f'id = "{name}"',
        f'data_dir = "{name}-data"',
        'time_zone = "Asia/Shanghai"',
        "",
        "[detect]",
        f'model = "{model}"',
        "",
        "[mqtt]",
        'url = "mqtt://127.0.0.1:1883"',
        "",
        "[[camera]]",
        'id = "mast"',
        'profile = "high_mount"',
        'url = "rtsp://127.0.0.1:8554/mast"',
        'sampling = "all"',
        "tiling = { columns = 1, rows = 1 }",
        "",
    ]
    for zone, polygon in p.zones.items():
        lines += ["[[camera.zone]]", f'id = "{zone}"', f"polygon = {polygon}", ""]
    rules = {}
    for zone, rule in [
        ("roof_a", "rooftop_addition"),
        ("roof_b", "rooftop_addition"),
        ("facade_a", "facade_alteration"),
        ("facade_b", "facade_alteration"),
        ("shop_b", "outdoor_advertising"),
        ("wall", "illegal_posting"),
        ("green", "green_destruction"),
        ("field", "land_occupation"),
        ("yard", "material_stockpile"),
    ]:
        rules.setdefault(rule, []).append(zone)
    for rule, zones in rules.items():
        lines += [
            "[[camera.rule]]",
            f'class = "{rule}"',
            f"zones = {json.dumps(zones)}",
            'kind = "change"',
            f'dwell = "{dwell_h}h"',
            "",
        ]
    return "\n".join(lines)


def main():
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--seed", type=int, required=True)
    ask.add_argument("--days", type=float, default=14)
    ask.add_argument("--step", type=float, default=30, help="minutes between pictures")
    ask.add_argument("--size", default="960x540")
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--name", help="name of the files; default: seedN")
    ask.add_argument(
        "--only", nargs="*", help="kinds of planted changes to keep; 'none' for a quiet scene"
    )
    ask.add_argument("--calm", action="store_true", help="no rain, fog or snow")
    ask.add_argument("--dwell", type=int, default=24, help="hours after which the rules decide")
    ask.add_argument(
        "--crf", type=int, default=21, help="quality of the video, lower is better and larger"
    )
    ask.add_argument("--gop", type=int, default=1, help="pictures from one key frame to the next")
    ask.add_argument(
        "--facts", action="store_true", help="write the truth and the config, render nothing"
    )
    ask.add_argument(
        "--stills", type=int, default=0, help="write every Nth picture as PNG instead of the video"
    )
    args = ask.parse_args()
    width, height = (int(v) for v in args.size.split("x"))
    rng = np.random.default_rng(args.seed)
    p = plan(rng, width, height, int(args.days), args.only)
    world = World(p.camera, rng)
    name = args.name or f"seed{args.seed}"
    args.out.mkdir(parents=True, exist_ok=True)
    frames = pictures(args, rng, p, world)
    base, weather = next(frames)
    facts = {
        "seed": args.seed,
        "start": stamp(0),
        "step_minutes": args.step,
        "days": args.days,
        "size": [width, height],
        "decided_after_hours": args.dwell,
        "winter": p.winter,
        "leaf_fall": round(p.leaf_fall, 3),
        "zones": p.zones,
        "snow": snow(weather),
        "changes": truth(world, base, p, (width, height)),
    }
    (args.out / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    (args.out / f"{name}.toml").write_text(config(p, name, args.dwell, args.out))
    if args.facts:
        return
    if args.stills:
        for n, (_, picture) in enumerate(frames):
            if n % args.stills == 0:
                cv2.imwrite(str(args.out / f"{name}-{n:05}.png"), picture)
        return
    video = args.out / f"{name}.mp4"
    unfinished = video.with_suffix(".part.mp4")
    command = (
        f"ffmpeg -v error -y -f rawvideo -pix_fmt bgr24 -s {width}x{height} "
        f"-r 1/{round(args.step * 60)} -i - -c:v libx264 -preset veryfast -crf {args.crf} "
        f"-g {args.gop} -bf 0 -pix_fmt yuv420p -threads 1 -metadata creation_time={stamp(0)}"
    )
    with subprocess.Popen([*command.split(), str(unfinished)], stdin=subprocess.PIPE) as ffmpeg:
        for _, picture in frames:
            ffmpeg.stdin.write(picture.tobytes())
        ffmpeg.stdin.close()
    if ffmpeg.returncode:
        raise SystemExit(f"ffmpeg ended with {ffmpeg.returncode}")
    unfinished.rename(video)


if __name__ == "__main__":
    main()
