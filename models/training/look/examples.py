"""COCO files, our own labels and the detector's proposals -> what each place of a picture may be.

A place often has a set of possible classes, not one. A box of "motor_vehicle" may be a car or a
truck. Where a picture labels cars completely, and the detector says "car" of a place without a
box, the place is anything but a car; what it is, nobody has said.
"""

from __future__ import annotations

import json
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.classes import HERE, load_classes, load_sources
from detector.dataset import iou, read_pictures, shared_data

LABELS = HERE / "labels" / "look.json"
SMALLEST = 12  # pixels of the longer side of a box that is used
APART = 0.2  # overlap with every labelled box below which a place is without one
MATCH = 0.5  # overlap from which a proposal is a labelled box
UNLABELLED = 0.3  # weight of a class that the picture does not label, against one not looked for
MOST = 1100  # boxes of a class; of more, some by chance
BACKGROUNDS = 2  # places drawn by chance a picture
UNCLEAR = "unclear"  # of our labels: nothing is learned there, also not that something is absent
# Sources that leave out many boxes of what they label: a proposal without a box says nothing.
INCOMPLETE = {"yuskun/object_detected": {"car", "truck", "bus"}}
GENERIC = {
    "construction_machinery": ["excavator", "loader_dozer", "dump_truck", "truck", "crane"],
    "motor_vehicle": ["car", "truck", "bus", "dump_truck"],
}


@dataclass
class Place:
    """file: name of the picture. boxes: the same thing, as labelled and as proposed. weights [C]:
    how far each class is possible. said: the detector's class, where it proposed the place.
    """

    file: str
    boxes: list[list[float]]
    weights: np.ndarray
    source: str
    kind: str
    said: str = ""
    score: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.file} {' '.join(f'{v:.1f}' for v in self.boxes[0])}"


@dataclass(frozen=True)
class Classes:
    names: list[str]
    looked_for: list[bool]
    of: dict[str, str]  # name in the data -> ours

    def one(self, *names: str) -> np.ndarray:
        return np.array([n in names for n in self.names], dtype=np.float32)


def load_look_classes(path: Path = HERE / "look" / "classes.toml") -> Classes:
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["class"]
    return Classes(
        names=[r["name"] for r in rows],
        looked_for=[r.get("looked_for", True) for r in rows],
        of={name: r["name"] for r in rows for name in r.get("from", [r["name"]])},
    )


def meaning(name: str, classes: Classes, coco_classes: bool) -> np.ndarray | None:
    """Weights of a label in the data; None where it says nothing here."""
    if name in classes.of:
        return classes.one(classes.of[name])
    if name in GENERIC:
        return classes.one(*GENERIC[name])
    return classes.one("other") if coco_classes and name != UNCLEAR else None


def absent(classes: Classes, known: set[str]) -> np.ndarray:
    """Weights of a place without a box, in a picture that labels `known` completely."""
    return np.array(
        [
            1.0 if not wanted else (0.0 if name in known else UNLABELLED)
            for name, wanted in zip(classes.names, classes.looked_for, strict=True)
        ],
        dtype=np.float32,
    )


def is_apart(box, others: list) -> bool:
    """Without a labelled box: little overlap, no part of one, and none inside."""
    for other in others:
        w, h = (
            min(box[2], other[2]) - max(box[0], other[0]),
            min(box[3], other[3]) - max(box[1], other[1]),
        )
        if w <= 0 or h <= 0:
            continue
        mine = (box[2] - box[0]) * (box[3] - box[1])
        its = (other[2] - other[0]) * (other[3] - other[1])
        if iou(box, other) >= APART or w * h > 0.3 * mine or w * h > 0.5 * its:
            return False
    return True


def side(box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def drawn_by_chance(record: dict, taken: list, rng: np.random.Generator, count: int) -> list[list]:
    places = []
    for _ in range(count * 6):
        size = float(
            np.exp(rng.uniform(np.log(20), np.log(min(record["width"], record["height"]))))
        )
        shape = float(np.exp(rng.normal(0, 0.4)))
        w, h = size * min(1, shape), size * min(1, 1 / shape)
        x = float(rng.uniform(0, max(1, record["width"] - w)))
        y = float(rng.uniform(0, max(1, record["height"] - h)))
        if is_apart([x, y, x + w, y + h], taken):
            places.append([x, y, x + w, y + h])
        if len(places) == count:
            break
    return places


def collect(coco: dict, proposals: dict[str, list], classes: Classes, ours: dict) -> list[Place]:
    """The places of every picture whose source allows training.

    Chance depends on the picture and the place alone, so that a new label changes only its own.
    """
    detector, sources = load_classes(), load_sources()
    names = {c["id"]: c["name"] for c in coco["categories"]}
    boxes: dict[int, list] = {}
    for a in coco["annotations"]:
        x, y, w, h = a["bbox"]
        row = (names[a["category_id"]], [x, y, x + w, y + h], bool(a.get("iscrowd")))
        boxes.setdefault(a["image_id"], []).append(row)
    places: list[Place] = []
    for record in coco["images"]:
        if sources[record["source"]]["decision"] != "train":
            continue
        file, source = record["file_name"], record["source"]
        coco_classes = len(record["labelled_classes"]) > 60
        channels = detector.known_from(record["labelled_classes"])
        known = {n for n, k in zip(detector.names, channels, strict=True) if k}
        known -= INCOMPLETE.get(source, set())
        labelled = boxes.get(record["id"], []) + [(b[4], b[:4], False) for b in ours.get(file, [])]
        taken = [b for _, b, _ in labelled]
        found = proposals.get(file, [])
        for name, box, crowd in labelled:
            weights = meaning(name, classes, coco_classes)
            if crowd or weights is None or side(box) < SMALLEST:
                continue
            close = [p[:4] for p in found if iou(p[:4], box) >= MATCH]
            kind = "ours" if any(box == b[:4] for b in ours.get(file, [])) else "label"
            places.append(Place(file, [box, *close[:2]], weights, source, kind))
        for p in found:
            if p[4] in known and side(p) >= SMALLEST and is_apart(p[:4], taken):
                places.append(
                    Place(file, [p[:4]], absent(classes, known), source, "proposal", p[4], p[5])
                )
        rng = np.random.default_rng(record["id"])
        for box in drawn_by_chance(record, taken, rng, BACKGROUNDS):
            places.append(Place(file, [box], absent(classes, known), source, "background"))
    return thinned(places)


def thinned(places: list[Place]) -> list[Place]:
    """At most MOST places of one label, and of one class proposed wrongly, by chance."""
    groups: dict[tuple, list[Place]] = {}
    for place in places:
        groups.setdefault((place.kind, place.said, place.weights.tobytes()), []).append(place)
    out = []
    for group in groups.values():
        if len(group) > MOST and group[0].kind != "ours":
            group = sorted(group, key=lambda p: zlib.crc32(p.key.encode()))[:MOST]
        out += group
    return out


def our_labels() -> dict[str, list]:
    return json.loads(LABELS.read_text(encoding="utf-8"))["boxes"] if LABELS.exists() else {}


def training_places(proposals: Path) -> tuple[list[Place], Classes]:
    classes = load_look_classes()
    coco = read_pictures(shared_data() / "annotations_train.json", load_sources())
    found = json.loads(proposals.read_text(encoding="utf-8"))
    return collect(coco, found, classes, our_labels()), classes
