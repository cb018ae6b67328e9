"""Loss for pictures in which only some classes are labelled.

The network has two sets of heads (`network.py`). Each learns its own labels. At an anchor point
assigned to a box the loss has three parts: overlap, objectness 1, and class cross-entropy. A
generic box (for example "motor_vehicle") leaves the classes that it covers out of the last.

*The seed's classes.* Everywhere else the heads follow the frozen seed, which sees the same input
(Li and Hoiem, "Learning without Forgetting", 2016). They follow its objectness at every point, and
its class probabilities and boxes where it sees one of our classes, however faintly. The picture's
source sets the weight; inside ignore boxes it is zero. At the seed's own weights this part of the
loss and its gradient are zero. The seed is corrected in one case only: its best guess is a class
that is *labelled* in that picture, no box is there, and it is not sure (labels have gaps).

*The other classes.* At every other point objectness is 0, with the source's `background` weight.
Ignore boxes and generic boxes of the seed's classes do not count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .assign import assign
from .classes import IGNORE, ClassList
from .network import decode_boxes

OVERLAP_GAIN = 5.0
FAINT = 0.003  # seed scores below this only count for objectness
SURE = 0.35  # seed score above which a missing box is a gap in the labels


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


def divergence(logits, wanted):
    """Cross-entropy of `logits` with the probabilities of `wanted` (logits), minus its minimum."""
    target = wanted.sigmoid()
    return bce(logits, target) - bce(wanted, target)


class PartialLabelLoss:
    """Callable: (network output, seed output, batch) -> (loss, parts for the log)."""

    def __init__(self, classes: ClassList, points, distil: float = 1.0):
        """points: [N, 3] anchors of the training size; distil: weight of following the seed."""
        self.points, self.distil = points, distil
        target, mask = classes.targets()
        self.target, self.mask = torch.from_numpy(target), torch.from_numpy(mask)
        self.of_seed, self.coco = classes.of_seed, classes.seed_channels()[1]
        self.with_seed = torch.from_numpy(classes.head_of_label())  # [C + G]
        self.generic = torch.arange(len(target)) >= classes.count  # [C + G]
        # Our class number for each of COCO's, -1 where we have none.
        self.ours = torch.full((80,), -1)
        self.ours[self.coco] = torch.arange(self.of_seed)
        # The cell of each point in the region map, which has one cell per 8 pixels.
        cells = ((points[:, :2] + 0.5) * points[:, 2:] / 8).long()
        self.cell_x, self.cell_y = cells[:, 0], cells[:, 1]

    def __call__(self, output, seed_output, batch):
        """output [B, N, (5 + S) + (5 + O)] and seed_output [B, N, 85], logits. Returns (scalar,
        dict of floats).

        Without seed_output it learns only the classes that the seed lacks.
        """
        output = output.float()
        sums: dict = {}
        masses = {"known": 0.0, "own": 0.0}
        for i in range(len(output)):
            region = batch["regions"][i][self.cell_y, self.cell_x].long()
            known = batch["known"][i][region]  # [N, C]
            first, second = output[i].split(
                [5 + self.of_seed, output.shape[2] - 5 - self.of_seed], dim=1
            )
            truth, labels = batch["boxes"][i], batch["labels"][i]
            heads = {"own": self._own(second, batch["background"][i][region], truth, labels)}
            if seed_output is not None:
                follow = batch["follow"][i][region]
                heads["known"] = self._like_the_seed(
                    first, seed_output[i].float(), known, follow, truth, labels
                )
            for head, (parts, mass) in heads.items():
                masses[head] += mass
                for name, value in parts.items():
                    sums[head, name] = sums.get((head, name), 0.0) + value
        scaled = {key: value / max(masses[key[0]], 1.0) for key, value in sums.items()}
        return sum(scaled.values()), {
            f"{head}_{name}": float(value.detach()) for (head, name), value in scaled.items()
        }

    def _labelled(self, rows, boxes, truth, labels, channels):
        """Loss at the points assigned to `truth`: (points [p], parts)."""
        target, mask = self.target[labels][:, channels], self.mask[labels][:, channels]
        logits = rows[:, 5:]
        with torch.no_grad():
            scores = (rows[:, 4:5].sigmoid() * logits.sigmoid()).sqrt()
        at, number, overlap = assign(self.points, boxes.detach(), scores, truth, target, mask)
        if not len(at):
            return at, {}
        soft = target[number] * overlap[:, None].clamp(min=0.0)
        return at, {
            "overlap": OVERLAP_GAIN * overlap_loss(boxes[at], truth[number]).sum(),
            "class": (bce(logits[at], soft) * mask[number]).sum(),
        }

    def _own(self, rows, background, truth, labels):
        """Parts and number of positive points, for classes that the seed lacks; rows [N, 5 + O]."""
        mine = (labels != IGNORE) & ~self.with_seed[labels]
        nothing = (labels == IGNORE) | (self.with_seed[labels] & self.generic[labels])
        boxes = corners(decode_boxes(rows[:, :4], self.points))
        at, parts = self._labelled(
            rows, boxes, truth[mine], labels[mine], slice(self.of_seed, None)
        )
        weight, wanted = background.clone(), torch.zeros_like(background)
        weight[self._inside(truth[nothing])] = 0.0
        weight[at], wanted[at] = 1.0, 1.0
        return parts | {"objectness": (bce(rows[:, 4], wanted) * weight).sum()}, float(len(at))

    def _like_the_seed(self, rows, seed, known, follow, truth, labels):
        """Parts and mass for the seed's classes; rows [N, 5 + S], seed [N, 85], follow [N]."""
        mine = (labels != IGNORE) & self.with_seed[labels]
        boxes = corners(decode_boxes(rows[:, :4], self.points))
        at, parts = self._labelled(rows, boxes, truth[mine], labels[mine], slice(self.of_seed))
        free = torch.ones(len(rows), dtype=torch.bool)
        free[at] = False
        with torch.no_grad():
            best, which = seed[:, 5:].max(dim=1)
            guess = self.ours[which]
            score = best.sigmoid() * seed[:, 4].sigmoid()
            labelled = (guess >= 0) & known.gather(1, guess.clamp(min=0)[:, None])[:, 0]
            wrong = free & labelled & (score <= SURE) & ~self._inside(truth)
            follow = torch.where(
                free & ~wrong & ~self._inside(truth[labels == IGNORE]), follow, 0.0
            )
            seed_classes = seed[:, 5:][:, self.coco]
            strength = seed_classes.sigmoid().amax(dim=1) * seed[:, 4].sigmoid()
            share = torch.where(strength > FAINT, strength.sqrt(), 0.0) * follow
            seed_boxes = corners(decode_boxes(seed[:, :4], self.points))
        objectness = rows[:, 4]
        parts["objectness"] = (
            bce(objectness[at], torch.ones(len(at))).sum()
            + bce(objectness[wrong], torch.zeros(int(wrong.sum()))).sum()
        )
        same = (divergence(objectness, seed[:, 4]) * follow).sum()
        seen = share > 0
        same = (
            same + (divergence(rows[seen, 5:], seed_classes[seen]).sum(dim=1) * share[seen]).sum()
        )
        same = (
            same + OVERLAP_GAIN * (overlap_loss(boxes[seen], seed_boxes[seen]) * share[seen]).sum()
        )
        parts["seed"] = self.distil * same
        return parts, len(at) + float(share.sum())

    def _inside(self, boxes):
        """[N] bool: points whose cell centre lies in any of the boxes [n, 4]."""
        if len(boxes) == 0:
            return torch.zeros(len(self.points), dtype=torch.bool)
        centres = (self.points[:, :2] + 0.5) * self.points[:, 2:]
        low = (centres[:, None] > boxes[None, :, :2]).all(dim=2)
        high = (centres[:, None] < boxes[None, :, 2:]).all(dim=2)
        return (low & high).any(dim=1)
