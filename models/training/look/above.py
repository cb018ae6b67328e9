"""Excavators and tipper lorries from drones, with and without the second look.

    python -m look.above --model ../lintel-look --proposals runs/look/above-proposals.json --out F

The pictures (LINTEL_SHARED/data/above) are for evaluation only: nothing was trained or chosen on
them. `with_look`: a denied detection goes, and the score of another becomes the root of score times
probability. `as_proposals`: every vehicle or machine that the detector proposes, of whatever class,
is what the second look calls it, with such a score.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from detector.classes import load_classes
from detector.dataset import iou, shared_data
from detector.scoring import prepare, score_class

from .classify import Classifier, load
from .score import detector_thresholds, group_of

CLASSES = ["dump_truck", "excavator"]  # of loader_dozer there is one box
MOVING = {"car", "truck", "bus", "dump_truck", "excavator", "loader_dozer"}


def results(coco: dict, proposals: dict, model: Classifier | None, rename: bool) -> list[dict]:
    """COCO results of CLASSES, of the detector alone or with the second look."""
    ids = {c["name"]: c["id"] for c in coco["categories"]}
    bounds = {c["name"]: c for c in model.manifest["classes"]} if model else {}
    out = []
    for record in coco["images"]:
        wanted = MOVING if rename else CLASSES
        rows = [p for p in proposals[record["file_name"]] if p[4] in wanted]
        answers = [None] * len(rows)
        if model and rows:
            picture = load(shared_data() / "above" / record["file_name"])
            answers = model(picture, [p[:4] for p in rows])
        found: list[tuple] = []
        for p, answer in zip(rows, answers, strict=True):
            if answer is None:
                found.append((p[5], p[4], p))
                continue
            said = dict(zip(model.names, answer, strict=True))
            if rename:
                found += [(float(np.sqrt(p[5] * said[name])), name, p) for name in CLASSES]
            elif sum(said.get(n, 0) for n in group_of(p[4])) >= bounds[p[4]].get("deny", 0.0):
                found.append((float(np.sqrt(p[5] * said[p[4]])), p[4], p))
        for score, name, p in without_doubles(found):
            box = [p[0], p[1], p[2] - p[0], p[3] - p[1]]
            row = {"image_id": record["id"], "category_id": ids[name], "bbox": box}
            out.append(row | {"score": score, "first": p[5] if p[4] == name else 0.0})
    return out


def without_doubles(found: list[tuple]) -> list[tuple]:
    """Best first; a box of the same class at nearly the same place goes."""
    kept: list[tuple] = []
    for row in sorted(found, key=lambda r: -r[0]):
        if not any(row[1] == k[1] and iou(row[2][:4], k[2][:4]) > 0.5 for k in kept):
            kept.append(row)
    return kept


def table(coco: dict, found: list[dict]) -> dict:
    """AP50, and precision and recall of the detections over the detector's threshold."""
    truth, thresholds = prepare(coco, load_classes()), detector_thresholds()
    pictures = [i["id"] for i in coco["images"]]
    out = {}
    for name in CLASSES:
        row = score_class(truth, found, name, pictures)
        sure = [r for r in found if r["first"] >= thresholds[name]]
        at = score_class(truth, sure, name, pictures)
        last = (at or {}).get("curve") or []
        point = last[0] if last else None
        out[name] = {
            "boxes": row["boxes"] if row else 0,
            "ap50": row["ap50"] if row else None,
            "detections": sum(r["category_id"] == truth.category[name] for r in sure),
            "precision": round(point[1], 3) if point else None,
            "recall": round(point[2], 3) if point else None,
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--proposals", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    coco = json.loads((shared_data() / "above" / "annotations.json").read_text(encoding="utf-8"))
    proposals = json.loads(args.proposals.read_text(encoding="utf-8"))
    model = Classifier(args.model)
    alone = table(coco, results(coco, proposals, None, False))
    both = table(coco, results(coco, proposals, model, False))
    named = table(coco, results(coco, proposals, model, True))
    report = {}
    for name in CLASSES:
        report[name] = {"alone": alone[name], "with_look": both[name]}
        report[name]["as_proposals"] = {"ap50": named[name]["ap50"]}
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
