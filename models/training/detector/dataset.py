"""Loads the pictures and boxes of COCO files into memory.

Beside COCO's own fields, a picture record has `source`, `viewpoint` and `labelled_classes`. Only
for the labelled classes does a missing box mean that the object is absent.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .classes import HERE, IGNORE, ClassList

TEACHER_SURE = 0.4  # a teacher's box is a label above this score, and ignored below it
TEACHER_REFINES = 0.6  # overlap at which the teacher's class replaces a generic label


@dataclass
class Sample:
    """One picture: [h, w, 3] uint8 BGR, boxes [n, 4] x1 y1 x2 y2 in pixels, labels [n], known [C].

    background: weight of places without a box. nadir: taken from straight above. follow: weight of
    following the seed here.
    """

    picture: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    background: float
    nadir: bool
    follow: float = 1.0


def shared_data() -> Path:
    """Folder of the data sets: LINTEL_SHARED/data, by default ../shared/data beside the project."""
    root = Path(os.environ.get("LINTEL_SHARED", HERE.parents[1].parent / "shared")) / "data"
    if not root.is_dir():
        raise SystemExit(
            f"{root}: no such folder; set LINTEL_SHARED to the folder that holds data/ and weights/"
        )
    return root


def shared_seed() -> Path:
    return shared_data().parent / "weights" / "yolox_nano.onnx"


def read_pictures(path: Path, sources: dict[str, dict]) -> dict:
    """The COCO file plus our own labels, for sources that have some (`labels` in sources.toml).

    A file of labels has `classes`, the labelled ones, and `boxes`: file name -> list of [x1, y1,
    x2, y2, class name].
    """
    coco = json.loads(path.read_text(encoding="utf-8"))
    numbers = {c["name"]: c["id"] for c in coco["categories"]}
    for name, source in sources.items():
        if "labels" not in source:
            continue
        ours = json.loads((HERE / source["labels"]).read_text(encoding="utf-8"))
        for record in coco["images"]:
            if record["source"] != name or record["file_name"] not in ours["boxes"]:
                continue
            record["labelled_classes"] += ours["classes"]
            coco["annotations"] += [
                {
                    "image_id": record["id"],
                    "category_id": numbers[label],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
                for x1, y1, x2, y2, label in ours["boxes"][record["file_name"]]
            ]
    return coco


def load_samples(
    coco_path: Path,
    classes: ClassList,
    sources: dict[str, dict],
    limit: int | None = None,
    teacher: Path | None = None,
) -> list[Sample]:
    """Every picture of the COCO file whose source allows training; about 0.6 MB of memory each.

    `limit` takes every k-th picture so that about that many remain. `teacher`: file of
    teacher_labels.py.
    """
    added = json.loads(teacher.read_text(encoding="utf-8")) if teacher else {}
    coco = read_pictures(coco_path, sources)
    names = {c["id"]: c["name"] for c in coco["categories"]}
    by_image: dict[int, list[dict]] = {}
    for annotation in coco["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    records = []
    for record in coco["images"]:
        row = sources.get(record["source"])
        if row is None:
            raise SystemExit(
                f"{coco_path}: source {record['source']!r} is not in sources.toml; "
                "add it with its licence"
            )
        if row["decision"] == "train":
            records.append(record)
    if limit:
        records = records[:: max(1, len(records) // limit)]
    return [
        add_teacher(
            _sample(
                coco_path.parent, r, by_image.get(r["id"], []), names, classes, sources[r["source"]]
            ),
            added.get(r["file_name"], []),
            classes,
        )
        for r in records
    ]


def add_teacher(sample: Sample, found: list[list], classes: ClassList) -> Sample:
    """Adds the teacher's boxes for unlabelled classes. Replaces a generic label by the teacher's
    class where the boxes agree.
    """
    boxes, labels = list(sample.boxes), list(sample.labels)
    for x1, y1, x2, y2, name, score in found:
        label, box = classes.names.index(name), np.array([x1, y1, x2, y2], np.float32)
        overlaps = [iou(box, own) for own in sample.boxes]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if overlaps and overlaps[best] > 0.3:
            generic = sample.labels[best] - classes.count
            fits = generic >= 0 and name in classes.generics[generic]["covers"]
            if fits and overlaps[best] > TEACHER_REFINES and score > TEACHER_SURE:
                labels[best] = label
            continue
        boxes.append(box)
        labels.append(label if score > TEACHER_SURE else IGNORE)
    sample.boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    sample.labels = np.array(labels, dtype=np.int64)
    return sample


def iou(a, b) -> float:
    """Overlap of two boxes x1 y1 x2 y2 over their union."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return float(w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h))


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
        follow=source.get("follow", 1.0),
    )


def sampling_weights(
    samples: list[Sample], classes: ClassList, target_share: float = 0.06
) -> np.ndarray:
    """[n] probabilities: pictures of rare classes are drawn up to 4 times as often.

    A class in a share f of the pictures has the factor sqrt(target_share / f). A picture has the
    largest factor of its classes.
    """
    present = np.zeros((len(samples), classes.count), dtype=bool)
    for row, sample in enumerate(samples):
        labels = sample.labels[(sample.labels >= 0) & (sample.labels < classes.count)]
        present[row, labels] = True
    share = np.maximum(present.mean(axis=0), 1e-6)
    factor = np.clip(np.sqrt(target_share / share), 1.0, 4.0)
    weights = np.where(present, factor, 1.0).max(axis=1)
    return weights / weights.sum()
