"""Loss for pictures of which only some classes are labelled.

At an anchor point assigned to a box: overlap loss, objectness 1, and class cross-entropy, where a
generic box (for example "motor_vehicle") leaves the classes that it covers untouched.

At every other point objectness is 0 (with the source's `background` weight), with two exceptions:

- inside an ignore box the point counts for nothing, and neither does it where the seed is sure of a
  *labelled* class outside every box, because labels have gaps;
- where the seed sees a class that is *not labelled* in that picture, the point is distilled: its
  objectness, class probabilities and box follow the seed's. So a car in a picture labelled only for
  garbage stays a car, and the detector does not forget what the seed knew.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .assign import assign
from .classes import IGNORE, ClassList
from .network import decode_boxes

OVERLAP_GAIN = 5.0
DISTIL_FLOOR = 0.01  # seed scores below this are background
FAINT = 0.1  # below this, objectness follows the seed's score instead of its objectness
SURE = 0.35  # seed score above which a missing box is taken for a gap in the labels


def corners(boxes):
    """cx, cy, w, h -> x1, y1, x2, y2 in the last dimension."""
    half = boxes[..., 2:] / 2
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)


def overlap_loss(a, b):
    """1 - IoU^2 of paired boxes [p, 4], x1 y1 x2 y2."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    overlap = (high - low).clamp(min=0).prod(dim=1)
    union = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - overlap
    return 1 - (overlap / union.clamp(min=1e-9)) ** 2


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


class PartialLabelLoss:
    """Callable: (network output, seed output, batch) -> (loss, parts for the log)."""

    def __init__(self, classes: ClassList, points):
        """points: [N, 3] anchor points of the training size."""
        self.points = points
        target, mask = classes.targets()
        self.target, self.mask = torch.from_numpy(target), torch.from_numpy(mask)
        self.own, self.coco = classes.seed_channels()
        self.classes = classes.count
        # Where each point looks in the region map, which has one cell per 8 pixels.
        cells = ((points[:, :2] + 0.5) * points[:, 2:] / 8).long()
        self.cell_x, self.cell_y = cells[:, 0], cells[:, 1]

    def __call__(self, output, seed_output, batch):
        """output [B, N, 5 + C] and seed_output [B, N, 85], logits. Returns (scalar, dict of floats)."""
        output = output.float()
        boxes = corners(decode_boxes(output[..., :4], self.points))
        objectness, logits = output[..., 4], output[..., 5:]
        with torch.no_grad():
            scores = (objectness[..., None].sigmoid() * logits.sigmoid()).sqrt()
        sums = {"overlap": 0.0, "objectness": 0.0, "class": 0.0, "distil": 0.0}
        positives = 0.0
        for i in range(len(output)):
            parts, count = self._picture(
                boxes[i], objectness[i], logits[i], scores[i], seed_output[i].float(), batch, i
            )
            for name, value in parts.items():
                sums[name] = sums[name] + value
            positives += count
        norm = max(positives, 1.0)
        loss = sum(sums.values()) / norm
        return loss, {name: float(torch.as_tensor(value).detach()) / norm for name, value in sums.items()}

    def _picture(self, boxes, objectness, logits, scores, seed, batch, i):
        labels, truth = batch["labels"][i], batch["boxes"][i]
        real, ignored = labels != IGNORE, truth[labels == IGNORE]
        truth, labels = truth[real], labels[real]
        target, mask = self.target[labels], self.mask[labels]
        region = batch["regions"][i][self.cell_y, self.cell_x].long()
        known = batch["known"][i][region]  # [N, C]

        at, number, overlap = assign(self.points, boxes.detach(), scores, truth, target, mask)
        distil, sure, seed_objectness, seed_classes = self._what_the_seed_adds(seed, known)
        distil[at] = 0.0

        wanted = torch.zeros_like(objectness)
        weight = batch["background"][i][region].clone()
        weight[self._inside(ignored) | (sure & ~self._inside(truth))] = 0.0
        follow = distil > 0
        wanted[follow], weight[follow] = seed_objectness[follow], 1.0
        wanted[at], weight[at] = 1.0, 1.0
        parts = {"objectness": (bce(objectness, wanted) * weight).sum()}

        if len(at):
            parts["overlap"] = OVERLAP_GAIN * overlap_loss(boxes[at], truth[number]).sum()
            soft = target[number] * overlap[:, None].clamp(min=0.0)
            parts["class"] = (bce(logits[at], soft) * mask[number]).sum()
        if follow.any():
            share = distil[follow]
            seed_boxes = corners(decode_boxes(seed[:, :4], self.points))[follow]
            seen = logits[follow]
            # The seed's channels follow the seed; a new class is 0 where its absence is known.
            soft = torch.zeros_like(seen)
            soft[:, self.own] = seed_classes[follow]
            counts = known[follow].float()
            counts[:, self.own] = 1.0
            parts["distil"] = (
                (bce(seen, soft) * counts).sum(dim=1) * share
                + OVERLAP_GAIN * overlap_loss(boxes[follow], seed_boxes) * share
            ).sum()
        return parts, len(at) + float(distil.sum())

    def _what_the_seed_adds(self, seed, known):
        """What the seed says of each point, its classes restricted to ours.

        Weight [N] of following it (0 where it adds nothing), whether it is sure of a labelled class
        [N], its objectness [N] and its class probabilities [N, own].
        """
        objectness = seed[:, 4].sigmoid()
        probabilities = seed[:, 5:][:, self.coco].sigmoid()
        scores = objectness[:, None] * probabilities
        labelled = known[:, self.own]
        added = (scores * ~labelled).amax(dim=1)
        sure = (scores * labelled).amax(dim=1) > SURE
        # A faint response may ride on the objectness of something that is none of our classes.
        objectness = torch.where(added > FAINT, objectness, added)
        return torch.where(added > DISTIL_FLOOR, added, 0.0), sure, objectness, probabilities

    def _inside(self, boxes):
        """[N] bool: points whose cell centre lies in any of the boxes [n, 4]."""
        if len(boxes) == 0:
            return torch.zeros(len(self.points), dtype=torch.bool)
        centres = (self.points[:, :2] + 0.5) * self.points[:, 2:]
        low = (centres[:, None] > boxes[None, :, :2]).all(dim=2)
        high = (centres[:, None] < boxes[None, :, 2:]).all(dim=2)
        return (low & high).any(dim=1)
