"""Assigns ground truth to anchor points with SimOTA (Ge et al., "YOLOX", section 2.1).

Candidates are the points whose cell centre lies within 1.5 strides of the box's centre. Each box
gets as many of them, those of least cost, as the sum of its ten best overlaps. Cost = class
cross-entropy + 3 * overlap loss.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

CENTRE_RADIUS = 1.5  # strides
OVERLAP_WEIGHT = 3.0
CANDIDATES = 10


def pairwise_iou(a, b):
    """[n, 4] and [m, 4], x1 y1 x2 y2 -> [n, m]."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = (high - low).clamp(min=0).prod(dim=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(dim=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(dim=1)
    return overlap / (area_a[:, None] + area_b[None] - overlap).clamp(min=1e-9)


@torch.no_grad()
def assign(points, predicted, scores, boxes, target, mask):
    """Assigns anchor points to the boxes of one picture.

    points [N, 3] (column, row, stride); predicted [N, 4] x1 y1 x2 y2; scores [N, C] =
    sqrt(objectness * class); boxes [n, 4]; target and mask [n, C] of the boxes. Returns (indices of
    positive points [p], their box numbers [p], their overlaps [p]).
    """
    none = torch.zeros(0, dtype=torch.long)
    if len(boxes) == 0:
        return none, none, torch.zeros(0)
    centres = (points[:, :2] + 0.5) * points[:, 2:]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = points[:, 2] * CENTRE_RADIUS
    near = ((centres[None] - middle[:, None]).abs() < reach[None, :, None]).all(dim=2)  # [n, N]
    candidates = near.any(dim=0).nonzero().squeeze(1)
    if len(candidates) == 0:
        return none, none, torch.zeros(0)
    near = near[:, candidates]
    overlap = pairwise_iou(boxes, predicted[candidates])
    s = scores[candidates].clamp(1e-6, 1 - 1e-6)
    # Binary cross-entropy summed over classes, as one matrix product.
    positive = (target * mask) @ -s.log().T
    negative = ((1 - target) * mask) @ -(1 - s).log().T
    cost = positive + negative - OVERLAP_WEIGHT * overlap.clamp(min=1e-8).log() + 1e6 * ~near

    k = min(CANDIDATES, len(candidates))
    wanted = (overlap * near).topk(k, dim=1).values.sum(dim=1).int().clamp(min=1)
    order = cost.topk(k, dim=1, largest=False)
    rank = torch.arange(k)[None] < wanted[:, None]
    matched = torch.zeros_like(cost, dtype=torch.bool)
    matched.scatter_(1, order.indices, rank)
    matched &= near
    # A point claimed by several boxes goes to the one of least cost.
    shared = matched.sum(dim=0) > 1
    if shared.any():
        best = cost[:, shared].masked_fill(~matched[:, shared], float("inf")).argmin(dim=0)
        matched[:, shared] = F.one_hot(best, len(boxes)).T.bool()
    box_number, column = matched.nonzero(as_tuple=True)
    return candidates[column], box_number, overlap[box_number, column]
