"""Labels the classes that a source leaves out, with the seed as teacher, once before training.

    python teacher_labels.py --out runs/teacher.json --from-above ../lintel-nano

Reads the training pictures and the seed. --from-above names one of our models for views from
straight above, which the seed hardly knows. Writes a JSON object: file name -> list of [x1, y1, x2,
y2, class name, score] in pixels of the picture, only for classes that the picture does not label.
The trainer uses sure boxes as labels and ignores the places of the others.

In one pass, a network misses what is small or upside down. The teacher therefore analyses each
picture at twice the size, and views from straight above in all four quarter turns. Greedy
suppression merges the results.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from detector.classes import load_classes, load_sources
from detector.dataset import iou, read_pictures, shared_data, shared_seed
from detector.network import anchor_points, decode_boxes
from detector.seed import COCO_CLASSES, load_teacher, start_from_model

LONG_SIDES = (640, 1024)  # pixels of the enlarged picture's longest side
FLOOR = 0.15  # lower scores are not written
SAME = 0.5  # overlap at which two boxes are one object
LEAST_SIDE = 4.0  # pixels


@dataclass
class Teacher:
    """`network` outputs boxes, objectness, and a channel for each of `names`; further channels are
    ignored.
    """

    network: nn.Module
    names: list[str]


def detect(teacher: Teacher, picture: np.ndarray, long_side: int, channels: list[int]):
    """What passes the floor: boxes [n, 4] in pixels of the picture, scores [n], rows of `channels`
    [n].
    """
    h, w = picture.shape[:2]
    scale = long_side / max(h, w)
    new_w, new_h = round(w * scale), round(h * scale)
    canvas = np.full((-(-new_h // 32) * 32, -(-new_w // 32) * 32, 3), 114, np.uint8)
    canvas[:new_h, :new_w] = cv2.resize(picture, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    pixels = torch.from_numpy(canvas).permute(2, 0, 1)[None].float()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = teacher.network(pixels.contiguous(memory_format=torch.channels_last))[0].float()
    every = out[:, 5 : 5 + len(teacher.names)].sigmoid()
    best = every.argmax(dim=1)
    scores = every[:, channels] * out[:, 4:5].sigmoid()
    score, row = scores.max(dim=1)
    # A point whose best class is something else (a boat, a bench) says nothing about ours.
    keep = (score > FLOOR) & (torch.tensor(channels)[row] == best)
    boxes = decode_boxes(out[:, :4], anchor_points(*canvas.shape[:2]))[keep]
    half = boxes[:, 2:] / 2
    corners = torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1) / scale
    return corners.numpy(), score[keep].numpy(), row[keep].numpy()


def unturn(boxes: np.ndarray, turns: int, width: int, height: int) -> np.ndarray:
    """Boxes of np.rot90(picture, turns) in the coordinates of the picture, width x height."""
    sizes = [(height, width) if k % 2 == 0 else (width, height) for k in range(4)]
    for k in range(turns, 0, -1):
        before_w = sizes[k - 1][1]
        x1, y1, x2, y2 = boxes.T
        boxes = np.stack([before_w - y2, x1, before_w - y1, x2], axis=1)
    return boxes


def merge(boxes, scores, rows):
    """Greedy suppression over all classes: the surest box of an object remains."""
    kept: list[int] = []
    for i in np.argsort(-scores):
        if all(iou(boxes[i], boxes[k]) < SAME for k in kept):
            kept.append(int(i))
    return kept


def label_picture(teacher: Teacher, picture, names: list[str], nadir: bool) -> list[list]:
    channels = [teacher.names.index(n) for n in names]
    height, width = picture.shape[:2]
    found = []
    for turns in range(4 if nadir else 1):
        turned = np.ascontiguousarray(np.rot90(picture, turns))
        for side in LONG_SIDES:
            boxes, scores, rows = detect(teacher, turned, side, channels)
            found.append((unturn(boxes, turns, width, height), scores, rows))
    boxes, scores, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    boxes = boxes.clip(0, [width, height, width, height])
    fit = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=1e9) >= LEAST_SIDE
    boxes, scores, rows = boxes[fit], scores[fit], rows[fit]
    return [
        [*(round(float(v), 1) for v in boxes[k]), names[rows[k]], round(float(scores[k]), 3)]
        for k in merge(boxes, scores, rows)
    ]


def save(labels: dict, path: Path) -> None:
    """Replaces the file in one step: an interrupted run leaves a complete state to resume from."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(labels), encoding="utf-8")
    beside.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Labels what the sources leave out, with the seed."
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--from-above", type=Path, help="model folder or checkpoint for views from straight above"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    classes, sources = load_classes(), load_sources()
    ours = [n for n in classes.names if n in COCO_CLASSES]
    seed = Teacher(load_teacher(shared_seed()), COCO_CLASSES)
    above = seed
    if args.from_above:
        network = start_from_model(args.from_above, shared_seed(), classes).eval()
        above = Teacher(network, classes.names[: classes.of_seed])
    for teacher in (seed, above):
        teacher.network.to(memory_format=torch.channels_last)
    path = shared_data() / "annotations_train.json"
    coco = read_pictures(path, sources)
    records = [r for r in coco["images"] if sources[r["source"]]["decision"] == "train"]
    part = args.out.with_suffix(".part")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    labels = json.loads(part.read_text(encoding="utf-8")) if part.exists() else {}
    for record in records:
        if record["file_name"] in labels:
            continue
        names = [n for n in ours if n not in record["labelled_classes"]]
        if len(names) < 4:  # all but rarities are labelled
            continue
        picture = cv2.imread(str(path.parent / record["file_name"]), cv2.IMREAD_COLOR)
        nadir = "nadir" in record["viewpoint"] or "aerial" in record["viewpoint"]
        labels[record["file_name"]] = label_picture(above if nadir else seed, picture, names, nadir)
        if len(labels) % 100 == 0:
            save(labels, part)
            print(f"{len(labels)} pictures", flush=True)
    save(labels, part)
    part.replace(args.out)
    print(f"{args.out}: {sum(map(len, labels.values()))} boxes in {len(labels)} pictures")


if __name__ == "__main__":
    main()
