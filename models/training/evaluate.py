"""Scores a COCO results file, made by any program, and publishes thresholds.

    python evaluate.py --truth annotations_dev.json --results results.json --out evaluation.json \\
        [--table table.md] [--publish ../lintel-nano]

Only pictures that label a class count for it, because elsewhere a missing box means nothing. A
class with boxes only in incompletely labelled pictures gets no AP, but the recall at its threshold.
--publish writes the thresholds into that folder's model.toml.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np

from detector.classes import load_classes
from detector.scoring import SIZES, choose_threshold, prepare, score_class

ENOUGH_BOXES = 30  # boxes that a class needs for its own threshold and for the mean
DEFAULT_THRESHOLD = 0.30


def evaluate(truth_path: Path, results: list[dict], precision: float, floor: float) -> dict:
    classes = load_classes()
    truth = prepare(json.loads(truth_path.read_text(encoding="utf-8")), classes)
    rows = {}
    for name in classes.shipped:
        row = score_class(truth, results, name, truth.labelled[name])
        if row is None:
            row = {"boxes": 0}
        curve = row.pop("curve", None)
        if row["boxes"] >= ENOUGH_BOXES and curve:
            threshold, how = choose_threshold(curve, precision=precision, floor=floor)
        else:
            threshold, how = DEFAULT_THRESHOLD, "default: too few boxes"
        at = next((c for c in curve or [] if c[0] >= threshold), None)
        row |= {"threshold": threshold, "chosen": how}
        row |= {"precision": at[1] if at else None, "recall": at[2] if at else None}
        row["viewpoints"] = by_viewpoint(truth, results, name)
        row["positive_only"] = recall_where_incomplete(truth, results, name, threshold)
        rows[name] = row
    counted = [r for r in rows.values() if r["boxes"] >= ENOUGH_BOXES]
    return {
        "precision_asked": precision,
        "floor": floor,
        "enough_boxes": ENOUGH_BOXES,
        "classes_in_mean": len(counted),
        "mean_ap": round(float(np.mean([r["ap"] for r in counted])), 4) if counted else None,
        "mean_ap50": round(float(np.mean([r["ap50"] for r in counted])), 4) if counted else None,
        "classes": rows,
    }


def by_viewpoint(truth, results, name) -> dict:
    """AP50 and box count per viewpoint of the pictures that label the class."""
    groups: dict[str, list[int]] = {}
    for picture in truth.labelled[name]:
        groups.setdefault(truth.viewpoint[picture], []).append(picture)
    scored = {view: score_class(truth, results, name, ids) for view, ids in sorted(groups.items())}
    return {v: {"boxes": r["boxes"], "ap50": r["ap50"]} for v, r in scored.items() if r}


def recall_where_incomplete(truth, results, name, threshold) -> dict | None:
    """Recall at the threshold in pictures that do not label the class completely."""
    if name not in truth.category:
        return None
    labelled = set(truth.labelled[name])
    pictures = [i for i in truth.viewpoint if i not in labelled]
    sure = [r for r in results if r["score"] >= threshold]
    row = score_class(truth, sure, name, pictures)
    if row is None:
        return None
    recall = max((c[2] for c in row["curve"] or []), default=0.0)
    return {"boxes": row["boxes"], "recall": recall}


def table(report: dict) -> str:
    """The Markdown table of a report."""
    lines = [
        "| class | boxes | AP | AP50 | AP small / medium / large | AP50 by viewpoint (boxes) "
        "| threshold | precision | recall |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in report["classes"].items():
        sizes = " / ".join(number(row.get(f"ap_{s}")) for s in SIZES)
        views = ", ".join(
            f"{v} {number(r['ap50'])} ({r['boxes']})" for v, r in row["viewpoints"].items()
        )
        extra = row["positive_only"]
        if row["boxes"] == 0 and extra:
            views = (
                f"recall {number(extra['recall'])} of {extra['boxes']} boxes "
                "in incompletely labelled pictures"
            )
        lines.append(
            f"| {name} | {row['boxes']} | {number(row.get('ap'))} | {number(row.get('ap50'))} "
            f"| {sizes} | {views or '-'} | {row['threshold']:.2f}{mark(row)} "
            f"| {number(row['precision'])} | {number(row['recall'])} |"
        )
    return "\n".join(lines) + "\n"


def mark(row: dict) -> str:
    return {"reached": "", "not reached": " (precision not reached)"}.get(
        row["chosen"], " (default)"
    )


def number(value) -> str:
    return "-" if value is None else f"{value:.3f}"


def publish(folder: Path, report: dict) -> None:
    """Replaces each class's threshold in model.toml."""
    path = folder / "model.toml"
    text = path.read_text(encoding="utf-8")
    for name, row in report["classes"].items():
        head = rf'\[\[classes\]\]\nname = "{re.escape(name)}"\n(?:kind = "\w+"\n)?threshold = '
        entry = re.compile(rf"({head})[0-9.]+")
        text, count = entry.subn(rf"\g<1>{row['threshold']:.2f}", text)
        if count != 1:
            raise SystemExit(f"{path}: no class {name!r} with a threshold; export the model again")
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores COCO results where labels are partial.")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--publish", type=Path, help="model folder whose thresholds are replaced")
    parser.add_argument(
        "--precision", type=float, default=0.6, help="required precision at a threshold"
    )
    parser.add_argument("--floor", type=float, default=0.25, help="lowest threshold")
    args = parser.parse_args()
    results = json.loads(args.results.read_text(encoding="utf-8"))
    report = evaluate(args.truth, results, args.precision, args.floor)
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if args.table:
        args.table.write_text(table(report), encoding="utf-8")
    if args.publish:
        publish(args.publish, report)
    print(table(report))
    print(f"mean AP50 {number(report['mean_ap50'])} over {report['classes_in_mean']} classes")


if __name__ == "__main__":
    main()
