"""Copy-paste: objects cut out elsewhere, pasted into pictures and onto drawn ground.

Uses rendered cut-outs (`synth/cutouts.py`) and machines cut from training pictures by their boxes,
and makes samples with more boxes. The blending of an object's edge matters more than what is around
it (Dwibedi et al., "Cut, Paste and Learn", 2017), so edges are soft and light varies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from .classes import IGNORE, ClassList
from .dataset import Sample

MACHINES = ("excavator", "loader_dozer", "dump_truck", "truck")  # also cut from pictures
LEAST_REAL = 70  # pixels of a real machine's shorter side
STEEP = 70.0  # degrees below the horizon; steeper views count as straight from above
LEAST, MOST = 9.0, 260.0  # pixels of a pasted object's longer side
COVERED = 0.55  # a box hidden more than this by a pasted one is ignored


@dataclass
class Cutout:
    """picture [h, w, 4] uint8 BGR and alpha; box x1 y1 x2 y2 in it; metres_per_pixel of it."""

    picture: np.ndarray
    box: np.ndarray
    label: int
    steep: bool
    metres_per_pixel: float


class Cutouts:
    """All cut-outs. Draws a class first and then one of its cut-outs, so that the many renders of
    cars do not dominate.
    """

    def __init__(self, cutouts: list[Cutout]):
        self.groups: dict[bool, dict[int, list[Cutout]]] = {False: {}, True: {}}
        for c in cutouts:
            self.groups[c.steep].setdefault(c.label, []).append(c)

    def __bool__(self) -> bool:
        return any(self.groups.values())

    def draw(self, steep: bool, rng) -> Cutout:
        group = self.groups[steep] or self.groups[not steep]
        label = sorted(group)[rng.integers(len(group))]
        return group[label][rng.integers(len(group[label]))]


def load_rendered(folder: Path, classes: ClassList) -> list[Cutout]:
    """Cut-outs listed in folder/cutouts.jsonl whose class is learned."""
    found = []
    for line in (folder / "cutouts.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["class"] not in classes.names:
            continue
        picture = cv2.imread(str(folder / row["file"]), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.shape[2] != 4:
            raise SystemExit(
                f"{folder / row['file']}: not a picture with alpha; render the cut-outs again"
            )
        found.append(
            Cutout(
                picture,
                np.float32(row["box"]),
                classes.names.index(row["class"]),
                row["pitch"] >= STEEP,
                row["metres_per_pixel"],
            )
        )
    return found


def cut_machines(samples: list[Sample], classes: ClassList) -> list[Cutout]:
    """Machines of the training pictures, cut along their boxes with soft edges; assumed to be 7 m
    long.
    """
    wanted = [classes.names.index(n) for n in MACHINES]
    found = []
    for sample in samples:
        for box, label in zip(sample.boxes.astype(int), sample.labels, strict=True):
            x1, y1, x2, y2 = box.clip(0)
            if label not in wanted or min(x2 - x1, y2 - y1) < LEAST_REAL or sample.nadir:
                continue
            piece = cv2.resize(
                sample.picture[y1:y2, x1:x2], None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA
            )
            h, w = piece.shape[:2]
            fade = np.minimum(
                *np.meshgrid(
                    *(np.minimum(np.arange(n) + 1, n - np.arange(n)) / (0.12 * n) for n in (w, h))
                )
            )
            alpha = (np.clip(fade, 0, 1) * 255).astype(np.uint8)
            picture = np.dstack([piece, alpha])
            found.append(
                Cutout(picture, np.float32([0, 0, w, h]), int(label), False, 7.0 / max(w, h))
            )
    return found


def paste(
    sample: Sample, cutouts: Cutouts, rng, count: int, metres_per_pixel: float, steep: bool
) -> Sample:
    """Pastes up to `count` cut-outs into a copy of the picture, all at one scale."""
    picture = sample.picture.copy()
    boxes, labels = list(sample.boxes), list(sample.labels)
    height, width = picture.shape[:2]
    for _ in range(count):
        cutout = cutouts.draw(steep, rng)
        scale = cutout.metres_per_pixel / metres_per_pixel * rng.uniform(0.85, 1.2)
        longer = float((cutout.box[2:] - cutout.box[:2]).max())
        scale = min(max(scale, LEAST / longer), MOST / longer, 1.4)
        piece, box = cutout.picture, cutout.box * scale
        h, w = max(2, round(piece.shape[0] * scale)), max(2, round(piece.shape[1] * scale))
        piece = cv2.resize(
            piece, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        if rng.random() < 0.5:
            piece, box = piece[:, ::-1], np.float32([w - box[2], box[1], w - box[0], box[3]])
        side = box[2:] - box[:2]
        if side[0] >= width or side[1] >= height:
            continue
        for _ in range(4):
            left = int(rng.integers(0, int(width - side[0]) + 1) - box[0])
            top = int(rng.integers(0, int(height - side[1]) + 1) - box[1])
            put = box + np.float32([left, top, left, top])
            if all(hidden(own, put) < 0.25 and hidden(put, own) < 0.25 for own in boxes):
                break
        else:
            continue
        blend(picture, piece, left, top, rng)
        labels = [
            IGNORE if hidden(own, put) > COVERED else label
            for own, label in zip(boxes, labels, strict=True)
        ]
        boxes.append(put)
        labels.append(cutout.label)
    return replace(
        sample,
        picture=picture,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int64),
    )


def hidden(below, above) -> float:
    """Share of the box `below` that the box `above` covers."""
    w, h = (
        min(below[2], above[2]) - max(below[0], above[0]),
        min(below[3], above[3]) - max(below[1], above[1]),
    )
    area = (below[2] - below[0]) * (below[3] - below[1])
    return float(w * h / area) if w > 0 and h > 0 and area > 0 else 0.0


def blend(picture: np.ndarray, piece: np.ndarray, left: int, top: int, rng) -> None:
    """Blends `piece` into the picture in place, cropped to it, in a light between its own and that
    of its surroundings.
    """
    height, width = picture.shape[:2]
    ax, ay = max(0, left), max(0, top)
    bx, by = min(width, left + piece.shape[1]), min(height, top + piece.shape[0])
    if bx <= ax or by <= ay:
        return
    part = piece[ay - top : by - top, ax - left : bx - left].astype(np.float32)
    under = picture[ay:by, ax:bx].astype(np.float32)
    light = under.mean() / 110.0
    gain = np.float32(rng.uniform(0.75, 1.2) * light ** rng.uniform(0, 0.7))
    alpha = part[..., 3:] / 255
    picture[ay:by, ax:bx] = np.clip(
        part[..., :3] * gain * alpha + under * (1 - alpha), 0, 255
    ).astype(np.uint8)


GROUNDS = [  # BGR: asphalt, concrete, soil, sand, grass, dry grass, field, roof
    (95, 95, 92),
    (150, 155, 155),
    (70, 100, 130),
    (130, 165, 190),
    (60, 95, 70),
    (95, 140, 145),
    (55, 75, 85),
    (120, 115, 125),
]


def ground(classes: int, cutouts: Cutouts, rng, side: int = 512) -> Sample:
    """Drawn ground full of cut-outs; every class is labelled here."""
    steep = rng.random() < 0.5
    base = GROUNDS[rng.integers(len(GROUNDS))]
    picture = patches(base, side, rng)
    if rng.random() < 0.6:  # a second ground beside a straight edge, and a line along it
        other = patches(GROUNDS[rng.integers(len(GROUNDS))], side, rng)
        angle = rng.uniform(0, np.pi)
        middle = side * rng.uniform(0.25, 0.75, 2)
        y, x = np.mgrid[:side, :side].astype(np.float32)
        away = (x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)
        picture[away > 0] = other[away > 0]
        if rng.random() < 0.5:
            picture[np.abs(away + rng.uniform(5, 40)) < rng.uniform(0.8, 2.5)] = rng.integers(
                150, 235
            )
    for _ in range(int(rng.integers(0, 5))):  # roofs, slabs, puddles: shapes of none of the classes
        centre, size = rng.uniform(0, side, 2), rng.uniform(15, 150, 2)
        corners = cv2.boxPoints((centre.tolist(), size.tolist(), float(rng.uniform(0, 180))))
        tone = np.array(GROUNDS[rng.integers(len(GROUNDS))]) * rng.uniform(0.5, 1.4)
        cv2.fillPoly(picture, [corners.astype(np.int32)], tone.clip(0, 255).tolist())
    empty = Sample(
        picture,
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        np.ones(classes, bool),
        1.0,
        steep,
    )
    return paste(
        empty,
        cutouts,
        rng,
        int(rng.integers(3, 13)),
        float(np.exp(rng.uniform(np.log(0.04), np.log(0.2)))),
        steep,
    )


def patches(colour, side: int, rng) -> np.ndarray:
    """[side, side, 3] uint8: a colour with grain and with stains of all sizes."""
    tone = np.zeros((side, side), np.float32)
    for cells, strength in ((4, 14), (16, 10), (64, 8), (side // 2, 7)):
        noise = rng.normal(0, strength * rng.uniform(0.3, 1.2), (cells, cells)).astype(np.float32)
        tone += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    tinted = np.array(colour, np.float32) * rng.uniform(0.7, 1.25) + rng.normal(0, 6, 3)
    return np.clip(tinted + tone[..., None], 0, 255).astype(np.uint8)
