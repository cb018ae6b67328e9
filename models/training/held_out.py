"""Writes a COCO file with the pictures of sources that must not be trained on.

    python held_out.py --out runs/elsewhere.json

Takes from the training file the pictures whose source has decision = "evaluate" in sources.toml.
No model was trained and no threshold chosen on them. They therefore say more about a new place than
the dev split, which shares its sources with the training.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from detector.classes import load_sources
from detector.dataset import shared_data


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Collects the pictures that are for evaluation only."
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    sources = load_sources()
    coco = json.loads((shared_data() / "annotations_train.json").read_text(encoding="utf-8"))
    coco["images"] = [i for i in coco["images"] if sources[i["source"]]["decision"] == "evaluate"]
    kept = {i["id"] for i in coco["images"]}
    coco["annotations"] = [a for a in coco["annotations"] if a["image_id"] in kept]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(coco), encoding="utf-8")
    print(f"{args.out}: {len(coco['images'])} pictures, {len(coco['annotations'])} boxes")


if __name__ == "__main__":
    main()
