"""Writes the figures of each class into model.toml, so that they travel with the model.

    python figures.py --model ../lintel-nano

Reads training.json (boxes that each class learned from) and evaluation.json (boxes, precision and
recall at the threshold on the dev pictures, which are real). `lintel check` shows the figures.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path


def measured(training_boxes: int, row: dict) -> str:
    """The value of `measured` for one class; `row` is its part of evaluation.json."""
    parts = [f"training_boxes = {training_boxes}", f"test_boxes = {row['boxes']}"]
    if row["boxes"] > 0:
        parts.append('shown_on = "real"')
        for name in ("precision", "recall"):
            if row[name] is not None:
                parts.append(f"{name} = {row[name]:.3f}")
    return "{ " + ", ".join(parts) + " }"


def with_figures(text: str, training: dict, evaluation: dict) -> str:
    """The manifest's text with one `measured` line at the end of each class."""
    head, *classes = re.split(r"(?m)^(?=\[\[classes\]\]$)", text)
    blocks = []
    for block in classes:
        name = re.search(r'(?m)^name = "([^"]+)"$', block)
        if name is None:
            raise SystemExit("model.toml: a class has no name; export the model again")
        lines = [line for line in block.strip().splitlines() if not line.startswith("measured = ")]
        figures = measured(training["boxes"][name[1]], evaluation["classes"][name[1]])
        blocks.append("\n".join([*lines, f"measured = {figures}"]))
    return head + "\n\n".join(blocks) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the classes' figures into model.toml.")
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    path = args.model / "model.toml"
    training, evaluation = (
        json.loads((args.model / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("training", "evaluation")
    )
    path.write_text(
        with_figures(path.read_text(encoding="utf-8"), training, evaluation), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
