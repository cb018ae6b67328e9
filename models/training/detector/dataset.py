"""COCO files -> pictures and boxes held in memory.

Beside COCO's own fields, a picture record names its `source`, its `viewpoint` and its
`labelled_classes`: only for these does a missing box mean that the thing is absent.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .classes import HERE, IGNORE, ClassList


@dataclass
class Sample:
    """One picture: [h, w, 3] uint8 BGR, boxes [n, 4] x1 y1 x2 y2 in pixels, labels [n], known [C].

    background: weight of places without a box. nadir: taken from straight above.
    """

    picture: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    background: float
    nadir: bool


def shared_data() -> Path:
    """Folder of the data sets: LINTEL_SHARED/data, by default ../shared/data beside the project."""
    root = Path(os.environ.get("LINTEL_SHARED", HERE.parents[1].parent / "shared")) / "data"
    if not root.is_dir():
        raise SystemExit(f"{root}: no such folder; set LINTEL_SHARED to the folder that holds data/ and weights/")
    return root


def shared_seed() -> Path:
    return shared_data().parent / "weights" / "yolox_nano.onnx"


def load_samples(
    coco_path: Path, classes: ClassList, sources: dict[str, dict], limit: int | None = None
) -> list[Sample]:
    """Every picture of the COCO file whose source may be trained on; about 0.6 MB of memory each.

    `limit` takes every k-th picture so that about that many remain.
    """
    coco = json.loads(coco_path.read_text(encoding="utf-8"))
    names = {c["id"]: c["name"] for c in coco["categories"]}
    by_image: dict[int, list[dict]] = {}
    for annotation in coco["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    records = []
    for record in coco["images"]:
        row = sources.get(record["source"])
        if row is None:
            raise SystemExit(
                f"{coco_path}: source {record['source']!r} is not in sources.toml; add it with its licence"
            )
        if row["decision"] == "train":
            records.append(record)
    if limit:
        records = records[:: max(1, len(records) // limit)]
    return [
        _sample(coco_path.parent, r, by_image.get(r["id"], []), names, classes, sources[r["source"]])
        for r in records
    ]


def _sample(
    root: Path, record: dict, annotations: list[dict], names: dict, classes: ClassList, source: dict
) -> Sample:
    path = root / record["file_name"]
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"{path}: cannot be read as a picture; fetch the data set again")
    boxes, labels = [], []
    for annotation in annotations:
        label = classes.label_of(names[annotation["category_id"]])
        if label is None:
            continue
        x, y, w, h = annotation["bbox"]
        boxes.append([x, y, x + w, y + h])
        labels.append(IGNORE if annotation.get("iscrowd") else label)
    viewpoint = record["viewpoint"]
    return Sample(
        picture=picture,
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        labels=np.array(labels, dtype=np.int64),
        known=classes.known_from(record["labelled_classes"]),
        background=source.get("background", 1.0),
        nadir="nadir" in viewpoint or "aerial" in viewpoint,
    )


def sampling_weights(samples: list[Sample], classes: ClassList, target_share: float = 0.06) -> np.ndarray:
    """[n] probabilities: pictures of rare classes come up to 4 times as often.

    A class present in a share f of the pictures asks for the factor sqrt(target_share / f);
    a picture takes the largest factor of its classes.
    """
    present = np.zeros((len(samples), classes.count), dtype=bool)
    for row, sample in enumerate(samples):
        labels = sample.labels[(sample.labels >= 0) & (sample.labels < classes.count)]
        present[row, labels] = True
    share = np.maximum(present.mean(axis=0), 1e-6)
    factor = np.clip(np.sqrt(target_share / share), 1.0, 4.0)
    weights = np.where(present, factor, 1.0).max(axis=1)
    return weights / weights.sum()
