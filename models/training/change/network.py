"""The head: the detector's first stages on both pictures, their differences at four scales, and a
small decoder.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from detector.network import Backbone, Unit

WIDTH = 32


class ChangeHead(nn.Module):
    """Before and after, [B, 3, H, W] float32 BGR 0..255 with H and W multiples of 16, to logits
    [B, 1, H, W].
    """

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.stem, self.dark2, self.dark3, self.dark4 = (
            backbone.stem,
            backbone.dark2,
            backbone.dark3,
            backbone.dark4,
        )
        self.reduce = nn.ModuleList([Unit(3 * c, WIDTH) for c in (16, 32, 64, 128)])
        self.mix = nn.ModuleList(
            [nn.Sequential(Unit(WIDTH, WIDTH, 3, 1, WIDTH), Unit(WIDTH, WIDTH)) for _ in range(4)]
        )
        self.out = nn.Conv2d(WIDTH, 1, 3, padding=1)
        nn.init.constant_(self.out.bias, -2.0)

    def features(self, x):
        c1 = self.stem(x)
        c2 = self.dark2(c1)
        c3 = self.dark3(c2)
        return c1, c2, c3, self.dark4(c3)

    def forward(self, before, after):
        both = self.features(torch.cat([before, after]))
        y = None
        stages = zip(reversed(both), reversed(self.reduce), reversed(self.mix), strict=True)
        for stage, reduce, mix in stages:
            a, b = stage.chunk(2)
            x = reduce(torch.cat([(a - b).abs(), torch.maximum(a, b), torch.minimum(a, b)], 1))
            y = mix(
                x
                if y is None
                else x + F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            )
        return F.interpolate(self.out(y), scale_factor=2.0, mode="bilinear", align_corners=False)
