"""Writes MODEL_CARD.md from measured files and from history.toml.

    python card.py --model ../lintel-nano --seed seed_evaluation.json

Reads model.toml, training.json, evaluation.json and latency.json in the model's folder, the table
of sources, and the seed's evaluation on the same pictures.
"""

from __future__ import annotations

import argparse
import json
import textwrap
import tomllib
from pathlib import Path

from detector.classes import HERE, load_classes, load_sources
from detector.seed import COCO_CLASSES
from evaluate import number, table


def read(path: Path) -> dict:
    if not path.exists():
        raise SystemExit(f"{path}: missing; run `make model`, which writes it")
    return json.loads(path.read_text(encoding="utf-8"))


def comparison(report: dict, seed: dict) -> str:
    """AP50 of the model and of the seed, for the classes that both know."""
    lines = ["| class | boxes | AP50 | seed AP50 | AP | seed AP |", "|---|---|---|---|---|---|"]
    for name, row in report["classes"].items():
        other = seed["classes"][name]
        if name in COCO_CLASSES and row["boxes"]:
            lines.append(
                f"| {name} | {row['boxes']} | {number(row['ap50'])} | {number(other['ap50'])} "
                f"| {number(row['ap'])} | {number(other['ap'])} |"
            )
    return "\n".join(lines)


def sources_table(training: dict) -> str:
    lines = [
        "| source | licence | used for | training pictures | remark |",
        "|---|---|---|---|---|",
    ]
    for name, row in load_sources().items():
        use = "training, evaluation" if row["decision"] == "train" else "evaluation only"
        count = training["pictures"].get(name, 0)
        lines.append(f"| {name} | {row['licence']} | {use} | {count} | {row.get('note', '')} |")
    return "\n".join(lines)


def behind_the_seed(name: str, row: dict, seed: dict, enough: int) -> list[str]:
    """Viewpoints with enough boxes where the model scores lower than the seed."""
    lines = []
    for view, ours in row["viewpoints"].items():
        before = seed["classes"][name]["viewpoints"][view]["ap50"]
        if ours["boxes"] >= enough and ours["ap50"] < before - 0.02:
            lines.append(
                f"worse than the seed in pictures taken {view}: AP50 {number(ours['ap50'])} against {number(before)}"
            )
    return lines


def elsewhere(folder: Path) -> str:
    """Scores on untrained sources, whole and in slices, where measured."""
    found = {tiles: folder / f"elsewhere-{tiles}.json" for tiles in ("1x1", "2x2")}
    reports = {tiles: read(path) for tiles, path in found.items() if path.exists()}
    if not reports:
        return "Not measured for this version."
    head = " | ".join("whole pictures" if t == "1x1" else f"{t} slices" for t in reports)
    lines = [
        f"| class, viewpoint | boxes | AP50, {head.replace(' | ', ' | AP50, ')} |",
        "|---|---" + "|---" * len(reports) + "|",
    ]
    first = next(iter(reports.values()))["classes"]
    for name, row in first.items():
        for view, own in row["viewpoints"].items():
            cells = [
                r["classes"][name]["viewpoints"].get(view, {}).get("ap50") for r in reports.values()
            ]
            lines.append(
                f"| {name}, {view} | {own['boxes']} | "
                + " | ".join(number(c) for c in cells)
                + " |"
            )
    return "\n".join(lines)


def eight_bits(folder: Path) -> str:
    path = folder / "quantised.json"
    if not path.exists():
        return "Not made for this version."
    q, fp32, int8 = (
        read(path),
        read(folder / "evaluation.json"),
        read(folder / "quantised-evaluation.json"),
    )
    return (
        f"Static QDQ, calibrated on {q['calibration_pictures']} training pictures, takes {q['int8_processor_ms']} ms of processor time. "
        f"FP32 takes {q['fp32_processor_ms']} ms on the same machine. Mean AP50 is {number(int8['mean_ap50'])} against "
        f"{number(fp32['mean_ap50'])}, and the file has {q['int8_bytes'] / 1e6:.1f} MB against {q['fp32_bytes'] / 1e6:.1f} MB. "
        f"No score moves by more than {q['largest_score_difference']}. "
        + ("It is not shipped." if q["int8_processor_ms"] >= q["fp32_processor_ms"] else "")
    ).strip()


def weak_classes(report: dict, training: dict, seed: dict) -> str:
    """One line per class that is not reliable on its own, with the reason."""
    lines = []
    for name, row in report["classes"].items():
        reasons = []
        if training["boxes"][name] < 200:
            reasons.append(f"{training['boxes'][name]} training boxes")
        if row["boxes"] < report["enough_boxes"]:
            reasons.append(
                f"{row['boxes']} evaluation box{'' if row['boxes'] == 1 else 'es'}, so its figures and threshold mean little"
            )
        elif row["chosen"] == "not reached":
            reasons.append(f"precision {report['precision_asked']} not reached at any threshold")
        elif row["ap50"] < 0.4:
            reasons.append(f"AP50 {row['ap50']:.3f}")
        reasons += behind_the_seed(name, row, seed, report["enough_boxes"])
        if reasons:
            lines.append(f"- {name}: {'; '.join(reasons)}.")
    return "\n".join(lines)


def training_boxes(training: dict) -> str:
    lines = ["| class | training boxes |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in training["boxes"].items()]
    lines += [
        f"| {name} (generic) | {count} |" for name, count in training["generic_boxes"].items()
    ]
    return "\n".join(lines)


def history() -> str:
    """What each version changed, from history.toml."""
    versions = tomllib.loads((HERE / "history.toml").read_text(encoding="utf-8"))["version"]
    return "\n".join(f"- **{v['name']}.** {' '.join(v['text'].split())}" for v in versions)


def wrapped(text: str) -> str:
    """Prose wrapped at 100 columns; tables and headings as they are."""
    lines = []
    for line in text.splitlines():
        if line.startswith(("|", "#")):
            lines.append(line)
        else:
            indent = "  " if line.startswith("- ") else ""
            options = {"width": 100, "break_long_words": False, "break_on_hyphens": False}
            lines += textwrap.wrap(line, subsequent_indent=indent, **options) or [""]
    return "\n".join(lines) + "\n"


def render(
    folder: Path, manifest: dict, training: dict, report: dict, seed: dict, latency: dict
) -> str:
    classes, spec = load_classes(), manifest["input"]
    sizes = ", ".join(f"{count} at {size}" for size, count in training["steps_by_size"].items())
    remarks = "".join(f"- {remark}\n" for remark in training.get("remarks", []))
    left_out = "\n".join(f"- {', '.join(r['names'])}: {r['reason']}." for r in classes.left_out)
    unshipped = ", ".join(n for n in classes.names if n not in classes.shipped)
    two = (
        " with two sets of heads, one for the seed's classes and one for the others"
        if manifest["head"]["kind"] == "yolov5"
        else ""
    )
    if unshipped:
        left_out += f"\n- {unshipped}: trained on rendered pictures only. They stay out until real pictures show that they work."
    if training.get("towards_seed"):
        remarks += f"- The shipped weights are the mean of the trained ones and the seed's; the seed has a share of {training['towards_seed']}.\n"
    return wrapped(f"""# {manifest["name"]} {manifest["version"]}

`models/training/card.py` writes this page from measurements; do not edit it.

The network is YOLOX-nano{two}. It has {len(manifest["classes"])} classes. Its input is {spec["width"]}x{spec["height"]} (width x height), {spec["channels"].upper()} 0..255, letterbox {spec["letterbox"]} with {spec["pad"]}. It is an ONNX file under {manifest["licence"]}. SHA-256 of the model: `{manifest["sha256"]}`.

It proposes objects for rules that look at zones and time. Every alert built on it is a suspicion, and a person decides. It is not for identifying people.

## Speed

A picture takes {latency["processor_ms"]} ms of processor time on {latency["threads"]} thread (ONNX Runtime {latency["onnxruntime"]}, {latency["processor"]}). The wall-clock time is {latency["median_ms"]} ms (10th to 90th percentile {latency["p10_ms"]} to {latency["p90_ms"]} ms). That includes waiting for other work on the machine. With ONNX Runtime's own profiler, which records every kernel, a run takes {latency["profiled_ms"]} ms, {latency["kernels_ms"]} ms of them in kernels.

## Training

Training started from YOLOX-nano (Megvii, Apache-2.0, trained on COCO; file SHA-256 `{training["seed_sha256"][:16]}...`). It took {training["step"]} steps of {training["batch"]} pictures ({sizes}), which is {training["epochs"]:.1f} passes over {sum(training["pictures"].values())} pictures. That was {training["minutes"]} minutes on two shared cores. The loss was {training["first_loss"]} at the start and {training["last_loss"]} at the end. A class that a source does not label is never a negative there. Where the seed sees one of its own classes, the model follows the seed. The exported ONNX differs from PyTorch by {training["onnx_difference"]:.1e} at most.

{remarks}
{training_boxes(training)}

{sources_table(training)}

## Evaluation

Measured on the dev set with `lintel detect --min-score 0.01` and `evaluate.py`. A class counts only in pictures that label it. A threshold is the lowest from {report["floor"]:.2f} up with a precision of at least {report["precision_asked"]} at an overlap of 0.5. Thresholds were chosen on these same pictures, so their precision and recall are optimistic. Classes with fewer than {report["enough_boxes"]} boxes have a default. Mean over the {report["classes_in_mean"]} classes with at least {report["enough_boxes"]} boxes: AP50 {number(report["mean_ap50"])}, AP {number(report["mean_ap"])}.

{table(report)}
The seed at the same input size, on the classes that it knows:

{comparison(report, seed)}

## Other places

These sources do not allow training. No model was trained on them and no threshold was chosen on them.

{elsewhere(folder)}

## Eight bits

{eight_bits(folder)}

## Weak classes

{weak_classes(report, training, seed)}

Most pictures were taken from the ground. None comes from a customer's mast or drone, and few are from above. Expect less there until the model is trained on such pictures.

## Left out

{left_out}

## History

{history()}
""")


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the model card.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--seed", type=Path, required=True, help="the seed's evaluation, from evaluate.py"
    )
    args = parser.parse_args()
    manifest = tomllib.loads((args.model / "model.toml").read_text(encoding="utf-8"))
    parts = [read(args.model / f"{name}.json") for name in ("training", "evaluation", "latency")]
    training, report, latency = parts
    text = render(args.model, manifest, training, report, read(args.seed), latency)
    (args.model / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    print(args.model / "MODEL_CARD.md")


if __name__ == "__main__":
    main()
