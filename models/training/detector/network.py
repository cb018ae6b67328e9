"""YOLOX-nano in plain PyTorch, without batch normalisation.

The published YOLOX-nano is an ONNX file whose batch normalisations are already folded into the
preceding convolutions. This network has the same form: each unit is convolution + bias + SiLU.
Training therefore runs with frozen normalisation statistics, as is usual for a short fine-tuning at
a small batch size.

Architecture (Ge et al., "YOLOX: Exceeding YOLO Series in 2021"): CSPDarknet with depthwise
convolutions, path-aggregation neck, decoupled head; width 0.25, depth 0.33; strides 8, 16 and 32.

Modules are declared in the order in which they run, because `seed.py` loads the weights by walking
the convolutions in that order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

STRIDES = (8, 16, 32)
HEAD_WIDTH = 64
LEVEL_WIDTHS = (64, 128, 256)


class Unit(nn.Module):
    """Convolution with bias, then SiLU. [B, Cin, H, W] -> [B, Cout, H/stride, W/stride]."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups)

    def forward(self, x):
        return F.silu(self.conv(x))


class DepthwiseUnit(nn.Sequential):
    """Depthwise 3x3 unit followed by a pointwise 1x1 unit."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1):
        super().__init__(Unit(c_in, c_in, 3, stride, groups=c_in), Unit(c_in, c_out))


class Bottleneck(nn.Module):
    """Pointwise unit and depthwise unit, with an optional residual connection."""

    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.reduce = Unit(channels, channels)
        self.expand = DepthwiseUnit(channels, channels)
        self.shortcut = shortcut

    def forward(self, x):
        y = self.expand(self.reduce(x))
        return x + y if self.shortcut else y


class CspLayer(nn.Module):
    """Cross-stage partial layer: half of the channels pass through `depth` bottlenecks."""

    def __init__(self, c_in: int, c_out: int, depth: int, shortcut: bool):
        super().__init__()
        self.main = Unit(c_in, c_out // 2)
        self.skip = Unit(c_in, c_out // 2)
        self.blocks = nn.Sequential(*[Bottleneck(c_out // 2, shortcut) for _ in range(depth)])
        self.merge = Unit(c_out, c_out)

    def forward(self, x):
        return self.merge(torch.cat([self.blocks(self.main(x)), self.skip(x)], dim=1))


class SpatialPyramidPooling(nn.Module):
    """Max pooling with windows 5, 9 and 13 beside the identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce = Unit(channels, channels // 2)
        self.merge = Unit(channels * 2, channels)

    def forward(self, x):
        x = self.reduce(x)
        # Two maxima over 5 equal one over 9, and three equal one over 13.
        p5 = F.max_pool2d(x, 5, 1, 2)
        p9 = F.max_pool2d(p5, 5, 1, 2)
        p13 = F.max_pool2d(p9, 5, 1, 2)
        return self.merge(torch.cat([x, p5, p9, p13], dim=1))


class Focus(nn.Module):
    """YOLOX's focus layer. [B, 3, H, W] -> [B, c_out, H/2, W/2].

    Published as a fold of each 2x2 pixel block into channels and a 3x3 convolution. Here it is the
    same sum as one 6x6 convolution of stride 2, which saves the slices (7 % of the network's time
    in ONNX Runtime).
    """

    def __init__(self, c_out: int):
        super().__init__()
        self.unit = Unit(3, c_out, 6, 2)
        self.unit.conv.padding = (2, 2)

    def forward(self, x):
        return self.unit(x)


def unfold_focus(weight):
    """The published [c, 12, 3, 3] weight as [c, 3, 6, 6]; any other shape is unchanged."""
    if weight.shape[1:] != (12, 3, 3):
        return weight
    wide = torch.zeros(weight.shape[0], 3, 6, 6)
    for block, (down, right) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        wide[:, :, down::2, right::2] = weight[:, 3 * block : 3 * block + 3]
    return wide


class Backbone(nn.Module):
    """CSPDarknet. Returns features at strides 8, 16, 32 with 64, 128, 256 channels."""

    def __init__(self):
        super().__init__()
        self.stem = Focus(16)
        self.dark2 = nn.Sequential(DepthwiseUnit(16, 32, 2), CspLayer(32, 32, 1, True))
        self.dark3 = nn.Sequential(DepthwiseUnit(32, 64, 2), CspLayer(64, 64, 3, True))
        self.dark4 = nn.Sequential(DepthwiseUnit(64, 128, 2), CspLayer(128, 128, 3, True))
        self.dark5 = nn.Sequential(
            DepthwiseUnit(128, 256, 2), SpatialPyramidPooling(256), CspLayer(256, 256, 1, False)
        )

    def forward(self, x):
        c3 = self.dark3(self.dark2(self.stem(x)))
        c4 = self.dark4(c3)
        return c3, c4, self.dark5(c4)


class Neck(nn.Module):
    """Path aggregation: top-down, then bottom-up. Outputs have the shapes of the inputs."""

    def __init__(self):
        super().__init__()
        self.lateral = Unit(256, 128)
        self.top_p4 = CspLayer(256, 128, 1, False)
        self.reduce = Unit(128, 64)
        self.top_p3 = CspLayer(128, 64, 1, False)
        self.down_p3 = DepthwiseUnit(64, 64, 2)
        self.bottom_p4 = CspLayer(128, 128, 1, False)
        self.down_p4 = DepthwiseUnit(128, 128, 2)
        self.bottom_p5 = CspLayer(256, 256, 1, False)

    def forward(self, features):
        c3, c4, c5 = features
        l5 = self.lateral(c5)
        p4 = self.top_p4(torch.cat([F.interpolate(l5, scale_factor=2.0), c4], dim=1))
        l4 = self.reduce(p4)
        n3 = self.top_p3(torch.cat([F.interpolate(l4, scale_factor=2.0), c3], dim=1))
        n4 = self.bottom_p4(torch.cat([self.down_p3(n3), l4], dim=1))
        n5 = self.bottom_p5(torch.cat([self.down_p4(n4), l5], dim=1))
        return n3, n4, n5


class LevelHead(nn.Module):
    """Decoupled head of one level: raw [B, 4 + 1 + classes, H, W] (box, objectness, classes)."""

    def __init__(self, c_in: int, classes: int):
        super().__init__()
        self.stem = Unit(c_in, HEAD_WIDTH)
        self.class_branch = nn.Sequential(
            *[DepthwiseUnit(HEAD_WIDTH, HEAD_WIDTH) for _ in range(2)]
        )
        self.class_logits = nn.Conv2d(HEAD_WIDTH, classes, 1)
        self.box_branch = nn.Sequential(*[DepthwiseUnit(HEAD_WIDTH, HEAD_WIDTH) for _ in range(2)])
        self.box = nn.Conv2d(HEAD_WIDTH, 4, 1)
        self.objectness = nn.Conv2d(HEAD_WIDTH, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        box_features = self.box_branch(x)
        classes = self.class_logits(self.class_branch(x))
        return torch.cat([self.box(box_features), self.objectness(box_features), classes], dim=1)


class YoloxNano(nn.Module):
    """The whole detector.

    Input: [B, 3, H, W] float32, BGR, 0..255, H and W multiples of 32. Output with one set of heads:
    [B, N, 5 + classes] with N = sum of H/s * W/s over the strides 8, 16, 32, row-major within a
    level. The four box numbers are offsets (see `decode_boxes`); objectness and classes are logits,
    or probabilities if `probabilities` is set, as in the export.

    With `own_classes` there is a second set of heads on the same trunk. The first is for the
    classes that the seed knows and follows the seed; the second is for the others. A shared
    objectness would have to be 0 for cars in every picture without labels for cars. The output is
    then [B, N, (5 + classes) + (5 + own_classes)], and with `probabilities` [B, 2N, 5 + classes +
    own_classes]: boxes as centre and size in pixels, objectness, class probabilities. Rows of the
    first heads come first; each row is zero at the classes of the other heads.
    """

    def __init__(self, classes: int, own_classes: int = 0):
        super().__init__()
        self.classes, self.own_classes = classes, own_classes
        self.probabilities = False
        self.backbone = Backbone()
        self.neck = Neck()
        self.heads = nn.ModuleList(LevelHead(c, classes) for c in LEVEL_WIDTHS)
        if own_classes:
            self.own_heads = nn.ModuleList(LevelHead(c, own_classes) for c in LEVEL_WIDTHS)

    def forward(self, x):
        levels = self.neck(self.backbone(x))
        if self.probabilities:
            return self.decoded(levels, x.shape[2], x.shape[3])
        return self.rows(levels)

    def rows(self, levels):
        """Logits from the features of the neck."""
        out = rows_of(self.heads, levels)
        return torch.cat([out, rows_of(self.own_heads, levels)], dim=2) if self.own_classes else out

    def decoded(self, levels, height: int, width: int):
        """Probabilities from the features of the neck."""
        out = rows_of(self.heads, levels)
        if not self.own_classes:
            return torch.cat([out[..., :4], out[..., 4:].sigmoid()], dim=2)
        own = rows_of(self.own_heads, levels)
        points = anchor_points(height, width)
        nothing = [
            torch.zeros(len(out), len(points), count) for count in (self.classes, self.own_classes)
        ]
        first = [decode_boxes(out[..., :4], points), out[..., 4:].sigmoid(), nothing[1]]
        second = [
            decode_boxes(own[..., :4], points),
            own[..., 4:5].sigmoid(),
            nothing[0],
            own[..., 5:].sigmoid(),
        ]
        return torch.cat([torch.cat(first, dim=2), torch.cat(second, dim=2)], dim=1)


def rows_of(heads, levels):
    """Raw rows [B, N, 5 + classes] of one set of heads."""
    return torch.cat(
        [head(level).flatten(2) for head, level in zip(heads, levels, strict=True)], dim=2
    ).transpose(1, 2)


def anchor_points(height: int, width: int, device=None):
    """Grid of the output rows of an input of that size: [N, 3] float32 (column, row, stride)."""
    points = []
    for stride in STRIDES:
        rows, columns = torch.meshgrid(
            torch.arange(height // stride), torch.arange(width // stride), indexing="ij"
        )
        points.append(
            torch.stack([columns, rows, torch.full_like(rows, stride)], dim=-1).reshape(-1, 3)
        )
    return torch.cat(points).float().to(device)


def decode_boxes(offsets, points):
    """Offsets [..., N, 4] -> boxes [..., N, 4] as (cx, cy, w, h) in input pixels."""
    stride = points[:, 2:3]
    centre = (offsets[..., :2] + points[:, :2]) * stride
    size = offsets[..., 2:4].clamp(max=8.0).exp() * stride
    return torch.cat([centre, size], dim=-1)
