"""Shows a model's confusions and worst errors: confusion matrix, precision-recall curves, contact
sheets.

    python inspect_results.py --truth annotations_dev.json --images DIR --results results.json \\
        --model ../lintel-nano --out runs/nano/inspection

Reads a COCO file, results of any program, and the model's thresholds. Writes confusion.md, pr.svg,
and two sheets per class. `<class>_wrong.jpg` has the surest detections without an object, from
pictures that label the class. `<class>_missed.jpg` has the largest undetected boxes. The sheets
contain pictures of the data set, so do not publish them.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np

from detector.classes import load_classes
from detector.dataset import iou
from detector.scoring import prepare, score_class

THUMB, ACROSS, SHOWN = 200, 6, 18
COLOURS = (
    "#1b6ca8",
    "#c0392b",
    "#2e8b57",
    "#8e44ad",
    "#d98200",
    "#16a085",
    "#7f3f00",
    "#34495e",
    "#c2185b",
    "#607d00",
    "#00838f",
    "#5d4037",
)


def corners(bbox) -> list[float]:
    x, y, w, h = bbox
    return [x, y, x + w, y + h]


def match(boxes: list[dict], found: list[dict]):
    """Matches greedily by score at an overlap of 0.5: pairs (truth, detection), and the rest of
    each.
    """
    free, pairs, wrong = list(boxes), [], []
    for f in sorted(found, key=lambda f: -f["score"]):
        overlaps = [iou(corners(f["bbox"]), corners(b["bbox"])) for b in free]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if overlaps and overlaps[best] >= 0.5:
            pairs.append((free.pop(best), f))
        else:
            wrong.append(f)
    return pairs, free, wrong


def sheet(rows: list[tuple[Path, list[float], str]]) -> np.ndarray:
    """Thumbnails around boxes (x1 y1 x2 y2), with the box drawn and a label below."""
    tiles = []
    for path, box, word in rows[:SHOWN]:
        picture = cv2.imread(str(path))
        h, w = picture.shape[:2]
        side = int(max(48, 2.2 * max(box[2] - box[0], box[3] - box[1])))
        cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        x1, y1 = int(max(0, cx - side / 2)), int(max(0, cy - side / 2))
        part = picture[y1 : min(h, y1 + side), x1 : min(w, x1 + side)]
        scale = THUMB / max(part.shape[:2])
        part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        tile = np.full((THUMB + 16, THUMB, 3), 40, np.uint8)
        tile[: part.shape[0], : part.shape[1]] = part[:THUMB, :THUMB]
        a, b = (
            (np.array([[box[0] - x1, box[1] - y1], [box[2] - x1, box[3] - y1]])) * scale
        ).astype(int)
        cv2.rectangle(tile, a.tolist(), b.tolist(), (0, 0, 255), 1)
        cv2.putText(tile, word, (2, THUMB + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % ACROSS)
    return np.vstack([np.hstack(tiles[k : k + ACROSS]) for k in range(0, len(tiles), ACROSS)])


def curves(truth, results, names: list[str]) -> str:
    """Precision over recall as SVG."""
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 420" font-family="sans-serif" '
        'font-size="11">',
        '<rect width="560" height="420" fill="white"/>'
        '<path d="M40 20V380H400" fill="none" stroke="#333"/>',
        '<text x="190" y="405">recall</text><text x="4" y="200">precision</text>',
    ]
    drawn = 0
    for name in names:
        row = score_class(truth, results, name, truth.labelled[name])
        if not row or row["boxes"] < 30 or not row["curve"]:
            continue
        points = " ".join(f"{40 + 360 * r:.0f},{380 - 360 * p:.0f}" for _, p, r in row["curve"])
        colour = COLOURS[drawn % len(COLOURS)]
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        lines.append(
            f'<text x="412" y="{30 + 16 * drawn}" fill="{colour}">{name} {row["ap50"]:.2f}</text>'
        )
        drawn += 1
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description="Confusion, curves and contact sheets.")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data = json.loads(args.truth.read_text(encoding="utf-8"))
    results = json.loads(args.results.read_text(encoding="utf-8"))
    manifest = tomllib.loads((args.model / "model.toml").read_text(encoding="utf-8"))
    limits = {c["name"]: c["threshold"] for c in manifest["classes"]}
    names = {c["id"]: c["name"] for c in data["categories"]}
    truth = prepare(data, load_classes())

    boxes, found = defaultdict(list), defaultdict(list)
    for a in data["annotations"]:
        boxes[a["image_id"]].append(a)
    for r in results:
        if r["score"] >= limits.get(names[r["category_id"]], 2.0):
            found[r["image_id"]].append(r)
    confused, wrong, missed = Counter(), defaultdict(list), defaultdict(list)
    for image in data["images"]:
        own = [b for b in boxes[image["id"]] if not b.get("iscrowd")]
        covers = [
            b
            for b in boxes[image["id"]]
            if b.get("iscrowd") or names[b["category_id"]] not in limits
        ]
        pairs, free, spare = match(own, found[image["id"]])
        path = args.images / image["file_name"]
        for b, f in pairs:
            confused[names[b["category_id"]], names[f["category_id"]]] += 1
        for b in free:
            name = names[b["category_id"]]
            confused[name, "-"] += 1
            if name in limits:
                missed[name].append((path, corners(b["bbox"]), name))
        for f in spare:
            name = names[f["category_id"]]
            inside = any(iou(corners(f["bbox"]), corners(c["bbox"])) > 0.3 for c in covers)
            if name in image["labelled_classes"] and not inside:
                confused["-", name] += 1
                wrong[name].append(
                    (f["score"], path, corners(f["bbox"]), f"{name} {f['score']:.2f}")
                )

    seen = sorted({t for t, _ in confused} | {f for _, f in confused}, key=lambda n: (n == "-", n))
    lines = ["| truth \\ found | " + " | ".join(seen) + " |", "|---" * (len(seen) + 1) + "|"]
    lines += [
        f"| {t} | " + " | ".join(str(confused[t, f] or "") for f in seen) + " |" for t in seen
    ]
    (args.out / "confusion.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (args.out / "pr.svg").write_text(curves(truth, results, list(limits)), encoding="utf-8")
    for name, rows in wrong.items():
        rows.sort(key=lambda r: -r[0])
        cv2.imwrite(str(args.out / f"{name}_wrong.jpg"), sheet([r[1:] for r in rows]))
    for name, rows in missed.items():
        rows.sort(key=lambda r: -((r[1][2] - r[1][0]) * (r[1][3] - r[1][1])))
        cv2.imwrite(str(args.out / f"{name}_missed.jpg"), sheet(rows))
    print(
        f"{args.out}: {sum(map(len, wrong.values()))} wrong, "
        f"{sum(map(len, missed.values()))} missed"
    )


if __name__ == "__main__":
    main()
