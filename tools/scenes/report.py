"""Scores `lintel replay` and three simpler methods on generated scenes. Writes docs/change.md's
table and its picture of what was found.

    python report.py LINTEL SCENES DOCS SEED...

All methods have the same task: find the places that looked different for the rules' dwell time, in
the zones of the scene's config. A planted change is found if an outline covers its centre or
overlaps it by half (intersection over union). An outline in a zone is false if it is on no planted
change. Two kinds of change do not count: those that show less than 0.05 % of the picture (a panel
behind an edge or trees), and those that are free of snow for less than 28 hours.

The simpler methods compare each picture with a reference from the first day (frame difference,
SSIM) or with a mixture of Gaussians (MOG2). They get the same patience: a pixel counts if it
differed in 60 % of the pictures of the last 24 hours.
"""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

import pictures
from footage import pictures_of, seconds

LEARN_H = 24
# The smallest change that the scenes' configs report, as a share of the picture.
LEAST = 0.0005
# The picture shows what was found in so many scenes, and what is false in all of them.
SHOWN = 1


def drawn(outline, size):
    mask = np.zeros(size[::-1], np.uint8)
    if len(outline) > 2:
        cv2.fillPoly(mask, [np.round(np.array(outline) * size).astype(np.int32)], 1)
    return mask > 0


def middle(mask):
    y, x = np.nonzero(mask)
    return (int(x.mean()), int(y.mean())) if len(x) else (0, 0)


def on_it(found, planted):
    both, either = (found & planted).sum(), (found | planted).sum()
    (fx, fy), (px, py) = middle(found), middle(planted)
    return both / max(either, 1), both / max(either, 1) >= 0.5 or bool(planted[fy, fx]) or bool(
        found[py, px]
    )


def in_sight(begin, until, truth):
    """Seconds for which a change is free of snow."""
    spells = [(max(begin, seconds(a)), min(until, seconds(b))) for a, b in truth["snow"]]
    return until - begin - sum(max(0, b - a) for a, b in spells)


def score(found, truth, size, dwell_h):
    """`found`: (time, mask) of each outline at its first report. Returns a list of (planted change,
    its best found step, the index of what found it or None, their overlap), and the indices of
    false outlines.
    """
    end = seconds(truth["start"]) + truth["days"] * 86400
    zones = [drawn(z, size) for z in truth["zones"].values()]
    planted, used = [], set()
    for change in truth["changes"]:
        begin = seconds(change["from"])
        until = seconds(change["to"]) if change["to"] else end
        if (
            in_sight(begin, until, truth) < (dwell_h + 4) * 3600
            or change["steps"][-1]["seen"] < LEAST
        ):
            continue
        best = (change["steps"][-1], None, 0.0)
        for i, (at, mask) in enumerate(found):
            if at < begin:
                continue
            for step in change["steps"]:
                overlap, on = on_it(mask, drawn(step["outline"], size))
                if on:
                    used.add(i)
                    best = max(best, (step, i, overlap), key=lambda b: (b[1] is not None, b[2]))
        planted.append((change, *best))
    anything = np.zeros(size[::-1], bool)
    for change in truth["changes"]:
        for step in change["steps"]:
            anything |= (
                cv2.dilate(drawn(step["outline"], size).astype(np.uint8), np.ones((9, 9))) > 0
            )
    false = []
    for i, (_, mask) in enumerate(found):
        in_zone = max((mask & z).sum() / max(mask.sum(), 1) for z in zones) >= 0.4
        if i not in used and in_zone and (mask & anything).sum() < 0.5 * mask.sum():
            false.append(i)
    return planted, false


def ours(lintel, scene, size, evidence):
    run = subprocess.run(
        [
            lintel,
            "replay",
            "--config",
            scene.with_suffix(".toml"),
            "--camera",
            f"mast={scene}",
            "--out",
            evidence,
        ],
        capture_output=True,
        text=True,
    )
    if run.returncode != 0:
        sys.exit(f"lintel replay of {scene} failed:\n{run.stderr}")
    events = [json.loads(line) for line in run.stdout.splitlines()]
    return [
        (at, drawn(outline, size))
        for at, outline in reported([e for e in events if e["data"].get("change")])
    ]


def apart(a, b):
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


def reported(events):
    """(time of the first report, last outline) of every object in the events: a shed is found when
    its posts stand, and measured when it is complete. The largest object of an event has an
    outline, others a box.
    """
    objects = {}
    for event in events:
        data = event["data"]
        outline = data["change"]["outline"]
        around = [f(p[i] for p in outline) for f in (min, max) for i in (0, 1)]
        largest = min(data["objects"], key=lambda item: apart(item["box"], around))
        for item in data["objects"]:
            x0, y0, x1, y1 = item["box"]
            shape = outline if item is largest else [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
            key = (event["subject"], item["track"])
            first, _ = objects.get(key, (seconds(data["at"]), None))
            objects[key] = (first, shape)
    return list(objects.values())


def ssim(a, b):
    a, b = a.astype(np.float32), b.astype(np.float32)

    def blur(v):
        return cv2.GaussianBlur(v, (11, 11), 1.5)

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    return (2 * ma * mb + 6.5) * (2 * cov + 58.5) / ((ma * ma + mb * mb + 6.5) * (va + vb + 58.5))


def simpler(scene, truth, size, dwell_h):
    """The three simpler methods, at half size, all with the same patience."""
    small = (size[0] // 2, size[1] // 2)
    step_h = truth["step_minutes"] / 60
    window = round(dwell_h / step_h)
    mog = cv2.createBackgroundSubtractorMOG2(history=window * 7, detectShadows=True)
    reference = {}
    votes = {name: [] for name in ("frame difference", "MOG2", "SSIM to reference")}
    reported = {name: np.zeros(small[::-1], bool) for name in votes}
    found = {name: [] for name in votes}
    start = seconds(truth["start"])
    for n, picture in enumerate(pictures_of(scene, size)):
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        # One reference for the day and one for the night; otherwise every night would be a change.
        night = bool(np.abs(picture[..., 0].astype(int) - picture[..., 1]).std() < 1.5)
        hour = n * step_h
        rate = 1 / (window * 7) if hour > LEARN_H else 0.05
        masks = {"MOG2": mog.apply(picture, learningRate=rate) == 255}
        if hour < LEARN_H:
            old = reference.get(night)
            reference[night] = grey.astype(np.float32) if old is None else 0.8 * old + 0.2 * grey
            continue
        base = reference.get(night, grey.astype(np.float32))
        masks["frame difference"] = np.abs(grey - base) > 30
        masks["SSIM to reference"] = ssim(grey, base) < 0.5
        for name, mask in masks.items():
            votes[name] = (votes[name] + [mask])[-window:]
            if len(votes[name]) < window:
                continue
            lasting = (np.mean(votes[name], axis=0) > 0.6) & ~reported[name]
            lasting = cv2.morphologyEx(
                lasting.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
            )
            count, labels, stats, _ = cv2.connectedComponentsWithStats(lasting)
            for label in range(1, count):
                if stats[label, cv2.CC_STAT_AREA] >= 0.0005 * small[0] * small[1]:
                    mask = labels == label
                    reported[name] |= (
                        cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
                    )
                    whole = (
                        cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
                    )
                    found[name].append((start + hour * 3600, whole))
    return found


def main():
    lintel, scenes, docs, seeds = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]
    total, tiles = {}, []
    for seed in seeds:
        scene = scenes / f"seed{seed}.mp4"
        truth = json.loads(scene.with_suffix(".json").read_text())
        size, dwell = tuple(truth["size"]), truth["decided_after_hours"]
        evidence = scenes / f"seed{seed}-evidence"
        found = {
            "Lintel": ours(lintel, scene, size, evidence),
            **simpler(scene, truth, size, dwell),
        }
        for name, outlines in found.items():
            planted, false = score(outlines, truth, size, dwell)
            overlaps = [overlap for _, _, i, overlap in planted if i is not None]
            t = total.setdefault(name, [0, 0, 0, 0.0, []])
            t[0], t[1], t[2], t[3] = (
                t[0] + len(overlaps),
                t[1] + len(planted),
                t[2] + len(false),
                t[3] + truth["days"],
            )
            t[4] += overlaps
            print(
                f"seed {seed} {name}: {len(overlaps)} of {len(planted)}, {len(false)} false",
                file=sys.stderr,
            )
            if name == "Lintel":
                tiles += pictures.tiles(
                    scene, truth, outlines, planted if seed in seeds[:SHOWN] else [], false
                )
    lines = [
        "| way | found | recall | false a camera-day | mean overlap of what was found |",
        "|---|---|---|---|---|",
    ]
    for name, (hits, planted, false, days, overlaps) in total.items():
        mean = np.mean(overlaps) if overlaps else 0
        lines.append(
            f"| {name} | {hits} of {planted} | {hits / planted:.2f} "
            f"| {false / days:.3f} ({false} in {days:.0f} days) | {mean:.2f} |"
        )
    text = docs.read_text()
    begin, end = "<!-- table of make change-report -->\n", "<!-- end of table -->"
    head, rest = text.split(begin)
    docs.write_text(head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])
    print("\n".join(lines))
    pictures.sheet(tiles, docs.parent / "images" / "change-found.jpg")


if __name__ == "__main__":
    main()
