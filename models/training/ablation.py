"""Trains the arms of the ablation on equal budgets and writes their scores into ablation.md.

    python ablation.py --folder runs/ablation --steps 250 [--arm all --arm without-synthetic]

Each arm is a run of train.py from the same weights with one thing changed. An existing arm is not
trained again, so the table can grow over several evenings. Arms without a result are listed as not
run. reference.py and evaluate.py score each arm on the dev split and on the untrained sources
(held_out.py).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from detector.classes import HERE
from detector.dataset import shared_data

WIDE, SMALL = ["--width", "640", "--height", "384"], ["--width", "416", "--height", "256"]
SYNTHETIC, COPIED = ["--cutouts", "{cutouts}"], ["--copy-machines"]
ALL = [*WIDE, *SYNTHETIC, *COPIED]
# arm: description, arguments of train.py
ARMS = {
    "all": ("everything", ALL),
    "without-synthetic": ("no rendered cut-outs, no drawn ground", [*WIDE, *COPIED]),
    "without-copy-paste": (
        "drawn ground only, nothing laid on pictures",
        [*WIDE, *SYNTHETIC, "--paste", "0"],
    ),
    "416": ("input 416x256", [*SMALL, *SYNTHETIC, *COPIED]),
    "without-seed": ("the seed is not followed", [*ALL, "--distil", "0"]),
    "without-mosaic": ("single pictures", [*ALL, "--mosaic", "0"]),
}
START, END = "<!-- arms -->\n", "<!-- /arms -->\n"
VEHICLES = ("car", "truck", "bus", "motorcycle", "person")


def run(command: list, **options) -> None:
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=HERE, **options)


def score(folder: Path, truth: Path, name: str) -> dict:
    results, report = folder / f"{name}-results.json", folder / f"{name}.json"
    model = ["--model", folder / "model", "--coco", truth, "--images", shared_data()]
    run(["reference.py", *model, "--floor", "0.01", "--out", results])
    run(
        ["evaluate.py", "--truth", truth, "--results", results, "--out", report],
        stdout=subprocess.DEVNULL,
    )
    return json.loads(report.read_text(encoding="utf-8"))


def train(arm: str, args) -> None:
    folder = args.folder / arm
    extra = [part.format(cutouts=args.cutouts.resolve()) for part in ARMS[arm][1]]
    initial = ["--initial", args.initial.resolve()] if args.initial else []
    run(["train.py", "--folder", folder.resolve(), "--steps", args.steps, *initial, *extra])
    size = ARMS[arm][1][:4]
    run(
        [
            "export.py",
            "--checkpoint",
            folder.resolve() / "last.pt",
            "--out",
            folder.resolve() / "model",
            *size,
        ]
    )
    score(folder.resolve(), shared_data() / "annotations_dev.json", "dev")
    score(folder.resolve(), args.elsewhere.resolve(), "elsewhere")


def table(folder: Path, steps: int) -> str:
    lines = [
        f"`ablation.py` writes this table. Every arm had {steps} steps from the same weights. "
        "The mean is AP50",
        "over the dev split's classes with at least 30 boxes. The other columns are AP50 by class.",
        "*Elsewhere* means the untrained sources, with nadir drones and site masts among them.",
        "",
        "| arm | dev mean | "
        + " | ".join(f"dev {n}" for n in VEHICLES)
        + " | elsewhere car | elsewhere bus |",
        "|---" * (len(VEHICLES) + 4) + "|",
    ]
    for arm, (words, _) in ARMS.items():
        files = [folder / arm / "dev.json", folder / arm / "elsewhere.json"]
        if not all(f.exists() for f in files):
            lines.append(f"| {arm}: {words} |" + " not run |" * (len(VEHICLES) + 3))
            continue
        dev, other = (json.loads(f.read_text(encoding="utf-8")) for f in files)
        cells = [dev["mean_ap50"], *(dev["classes"][n].get("ap50") for n in VEHICLES)]
        cells += [other["classes"][n].get("ap50") for n in ("car", "bus")]
        lines.append(
            f"| {arm}: {words} | "
            + " | ".join("-" if c is None else f"{c:.3f}" for c in cells)
            + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Ablation on equal budgets.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--arm", action="append", choices=list(ARMS))
    parser.add_argument("--initial", type=Path)
    parser.add_argument("--cutouts", type=Path, required=True)
    parser.add_argument("--elsewhere", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "ablation.md")
    args = parser.parse_args()
    for arm in args.arm or ARMS:
        if not (args.folder / arm / "elsewhere.json").exists():
            train(arm, args)
        page = args.out.read_text(encoding="utf-8")
        before, rest = page.split(START)
        args.out.write_text(
            before + START + table(args.folder, args.steps) + END + rest.split(END)[1],
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
