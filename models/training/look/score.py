"""What the second look is worth on the detector's own detections.

    python -m look.score temperature --model M --proposals dev.json --out temperature.json
    python -m look.score fit --model M --proposals dev.json --out judges.json
    python -m look.score dev --model M --proposals dev.json --out by-class.json
    python -m look.score sites --model M --out sites.json

`temperature` finds what the logits of a model with temperature 1 are to be divided by, each source
of dev counting the same. `fit` chooses, on dev, which classes judge and with which bounds. `dev`
scores them there, by class and source, with the reliability of the probabilities. `sites` scores
the judged boxes of the site time-lapses (verdicts.json), which nothing was trained or chosen on.

The probability of a detection is the sum over the classes that a rule on it asks for (GROUPS), as
the product takes it. A detection is true if it overlaps a labelled box of its group by a half. It
is false if its class is labelled completely in the picture and no box of the group is near. Of
others that a person looked at (labels/look-dev.json), the word of that person counts.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.classes import HERE, load_classes
from detector.dataset import iou, shared_data

from .classify import Classifier, load
from .examples import GENERIC, INCOMPLETE, UNCLEAR, is_apart, side

FLOOR = 0.1  # lowest score of a detection that is scored; the product's tracker asks for more
GROUPS = [
    {"car", "truck", "bus", "dump_truck"},
    {"excavator", "loader_dozer"},
    {"garbage", "garbage_overflow"},
    {"bicycle", "motorcycle"},
    {"fire", "smoke"},
]
DENIED_TRUE = 0.02  # share of true detections that may be denied
CONFIRMED = 0.95  # precision that confirmed detections shall have
FEW_TRUE, FEW_FALSE = 20, 8  # detections of a group below which it cannot be measured
MOST_DENY = 0.3  # what is denied is improbable in itself
# Not taken though dev would: small riders of the clips are denied (see the card).
NEVER = {"person"}
WORTH = 0.2  # share of false detections that a class has to deny, to judge
VERDICTS = HERE / "look" / "verdicts.json"
DEV_LABELS = HERE / "labels" / "look-dev.json"


@dataclass
class Detection:
    file: str
    source: str
    box: list[float]
    said: str
    score: float
    true: bool
    probability: float = 0.0
    best: str = ""
    answer: np.ndarray | None = None


def group_of(name: str) -> set[str]:
    return next((g for g in GROUPS if name in g), {name})


def detections(
    coco: dict, proposals: dict, looked_at: dict, floor: float = FLOOR
) -> list[Detection]:
    """Those of which it is known whether they are true."""
    detector = load_classes()
    names = {c["id"]: c["name"] for c in coco["categories"]}
    boxes: dict[int, list] = {}
    for a in coco["annotations"]:
        x, y, w, h = a["bbox"]
        boxes.setdefault(a["image_id"], []).append(
            (names[a["category_id"]], [x, y, x + w, y + h], a)
        )
    out = []
    for record in coco["images"]:
        known = detector.known_from(record["labelled_classes"])
        known = {n for n, k in zip(detector.names, known, strict=True) if k}
        labelled = boxes.get(record["id"], [])
        seen = looked_at.get(record["file_name"], [])
        for p in proposals.get(record["file_name"], []):
            if p[5] < floor or side(p) < 8:
                continue
            group = group_of(p[4])
            near = [
                b
                for n, b, a in labelled
                if group & {n, *GENERIC.get(n, [])} or (n == "van" and "car" in group)
            ]
            sure = [
                b
                for n, b, a in labelled
                if (n in group or (n == "van" and "car" in group)) and not a.get("iscrowd")
            ]
            if any(iou(p[:4], b) >= 0.5 for b in sure):
                true = True
            elif verdict := next((s[4] for s in seen if iou(p[:4], s[:4]) > 0.9), None):
                if verdict == UNCLEAR:
                    continue
                true = verdict in group
            elif p[4] in known - INCOMPLETE.get(record["source"], set()) and is_apart(p[:4], near):
                true = False
            else:
                continue
            out.append(Detection(record["file_name"], record["source"], p[:4], p[4], p[5], true))
    return out


def ask(model: Classifier, found: list[Detection]) -> None:
    by_file: dict[str, list[Detection]] = {}
    for d in found:
        by_file.setdefault(d.file, []).append(d)
    for file, rows in by_file.items():
        answers = model(load(shared_data() / file), [d.box for d in rows])
        for d, row in zip(rows, answers, strict=True):
            group = group_of(d.said)
            d.probability = float(
                sum(p for n, p in zip(model.names, row, strict=True) if n in group)
            )
            d.best = model.names[int(row.argmax())]
            d.answer = row


def temperature(found: list[Detection], names: list[str]) -> float:
    """The one with the smallest loss of "true or false", mean of the sources' means."""
    logs = np.log(np.clip(np.stack([d.answer for d in found]), 1e-12, None))
    wanted = np.array([[n in group_of(d.said) for n in names] for d in found])
    true = np.array([d.true for d in found])
    sources = sorted({d.source for d in found})
    at = [np.array([d.source == s for d in found]) for s in sources]
    best = (np.inf, 1.0)
    for t in np.arange(0.7, 3.01, 0.05):
        p = np.exp((logs - logs.max(axis=1, keepdims=True)) / t)
        p = np.clip((p * wanted).sum(axis=1) / p.sum(axis=1), 1e-4, 1 - 1e-4)
        loss = -np.log(np.where(true, p, 1 - p))
        best = min(best, (float(np.mean([loss[a].mean() for a in at])), float(t)))
    return round(best[1], 2)


def fit(found: list[Detection], thresholds: dict[str, float]) -> dict[str, dict]:
    """Class -> confirm, deny, for the groups whose word is worth having.

    deny: so that at most DENIED_TRUE of the true detections over the detector's threshold are
    denied, and no more than MOST_DENY. confirm: so that what is confirmed is nearly always true,
    also where false detections are as many as true ones.
    """
    judges = {}
    for group in sorted({tuple(sorted(group_of(d.said))) for d in found}):
        rows = [d for d in found if d.said in group]
        true = np.array(
            sorted(d.probability for d in rows if d.true and d.score >= thresholds[d.said])
        )
        false = np.array([d.probability for d in rows if not d.true])
        if len(true) < FEW_TRUE or len(false) < FEW_FALSE:
            continue
        deny = min(true[int(DENIED_TRUE * len(true))], MOST_DENY)
        deny = float(np.floor(deny * 100) / 100)
        if (false < deny).mean() < WORTH or set(group) & NEVER:
            continue
        sure = (c for c in np.arange(0.5, 0.96, 0.05) if precision(rows, c) >= CONFIRMED)
        confirm = max(float(next(sure, 0.95)), deny)
        judges |= {name: {"confirm": round(confirm, 2), "deny": deny} for name in group}
    return judges


def precision(rows: list[Detection], bound: float) -> float:
    """Of what is confirmed, the share that is true, as if true and false ones were as many."""
    true = np.mean([d.probability >= bound for d in rows if d.true])
    false = np.mean([d.probability >= bound for d in rows if not d.true])
    return float(true / (true + false)) if true + false else 0.0


def counts(rows: list[Detection], bounds: dict | None) -> dict:
    """True and false detections, and how many of each are denied and confirmed."""
    out = {}
    for kind in (True, False):
        some = [d.probability for d in rows if d.true == kind]
        row = {"detections": len(some)}
        if bounds:
            row["denied"] = int(sum(p < bounds["deny"] for p in some))
            row["confirmed"] = int(sum(p >= bounds["confirm"] for p in some))
        out["true" if kind else "false"] = row
    return out


def reliability(found: list[Detection]) -> list[dict]:
    """Ten bins of the probability: detections, mean probability, share that is true."""
    bins = []
    for low in np.arange(0, 1, 0.1):
        some = [
            d
            for d in found
            if low <= d.probability < low + 0.1 or (low > 0.85 and d.probability == 1)
        ]
        row = {"from": round(float(low), 1), "detections": len(some)}
        if some:
            row["mean"] = round(float(np.mean([d.probability for d in some])), 3)
            row["true"] = round(float(np.mean([d.true for d in some])), 3)
        bins.append(row)
    return bins


def by_class(found: list[Detection], manifest: dict) -> dict:
    bounds = {c["name"]: c for c in manifest["classes"] if c.get("judges")}
    thresholds = detector_thresholds()
    out = {}
    for name in sorted({d.said for d in found}):
        rows = [d for d in found if d.said == name]
        shown = [d for d in rows if d.score >= thresholds.get(name, 0.3)]
        row = {"judges": name in bounds, "over_threshold": counts(shown, bounds.get(name))}
        row["from_floor"] = counts(rows, bounds.get(name))
        row["right_class"] = round(
            float(np.mean([d.best in group_of(name) for d in rows if d.true] or [0])), 3
        )
        sources = sorted({d.source for d in shown})
        row["by_source"] = {
            s: counts([d for d in shown if d.source == s], bounds.get(name)) for s in sources
        }
        out[name] = row
    return out


def detector_thresholds() -> dict[str, float]:
    text = (HERE.parent / "lintel-nano" / "model.toml").read_text(encoding="utf-8")
    return {c["name"]: c["threshold"] for c in tomllib.loads(text)["classes"]}


def dev_detections(proposals: Path) -> list[Detection]:
    coco = json.loads((shared_data() / "annotations_dev.json").read_text(encoding="utf-8"))
    looked = (
        json.loads(DEV_LABELS.read_text(encoding="utf-8"))["boxes"] if DEV_LABELS.exists() else {}
    )
    return detections(coco, json.loads(proposals.read_text(encoding="utf-8")), looked)


def site_detections() -> list[Detection]:
    """The judged boxes of the time-lapses, without the unclear ones. A machine that the detector
    calls a car is not counted either way.
    """
    out = []
    for file, rows in json.loads(VERDICTS.read_text(encoding="utf-8"))["boxes"].items():
        for x1, y1, x2, y2, said, score, verdict, _ in rows:
            vehicle = said in GROUPS[0]
            if verdict == "unclear" or (verdict != "nothing" and vehicle != (verdict == "vehicle")):
                continue
            source = file.split("/")[2]
            out.append(Detection(file, source, [x1, y1, x2, y2], said, score, verdict != "nothing"))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=["temperature", "fit", "dev", "sites"])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--proposals", type=Path, help="of dev")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = Classifier(args.model)
    found = site_detections() if args.what == "sites" else dev_detections(args.proposals)
    ask(model, found)
    if args.what == "temperature":
        report = {"temperature": temperature(found, model.names)}
    elif args.what == "fit":
        report = fit(found, detector_thresholds())
    else:
        judging = {c["name"] for c in model.manifest["classes"] if c.get("judges")}
        report = {"classes": by_class(found, model.manifest)}
        report["reliability"] = reliability([d for d in found if d.said in judging])
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, row in report.get("classes", report).items():
        shown = row["over_threshold"] if "classes" in report else row
        print(name, json.dumps(shown))


if __name__ == "__main__":
    main()
