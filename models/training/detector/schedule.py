"""Optimiser, learning rate over the run, and the moving average of the weights.

The seed's batch normalisation is folded into its convolutions, so filters differ in size by a
factor of a thousand. A plain Adam step, equal for all, would wreck the small filters and hardly
change the large ones. `FilterAdam` therefore scales its step by the size that each filter had in
the seed, which batch normalisation would have done.
"""

from __future__ import annotations

import copy
import math

import torch

WARM_UP_STEPS = 100
LAST_FRACTION = 0.03  # final rate as a share of the peak
PARTS = {  # trained part -> name prefixes of the frozen parameters
    "all": ("backbone.stem",),
    "heads": ("backbone", "neck"),
    "own-heads": ("backbone", "neck", "heads"),
}
SMALLEST_FILTER = 0.1  # of its layer's size; smaller filters step as if this large


def rate_factor(step: int, progress: float) -> float:
    """Factor on the peak rate: linear warm-up by steps, then a cosine over progress 0..1."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return warm * (LAST_FRACTION + (1 - LAST_FRACTION) * cosine)


def filter_size(parameter) -> torch.Tensor:
    """Root mean square of each filter, broadcastable to the parameter; one value for a bias."""
    layer = parameter.detach().square().mean().sqrt()
    if parameter.dim() < 2:
        return layer.clamp(min=0.05)
    size = parameter.detach().square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return size.clamp(min=float(layer) * SMALLEST_FILTER)


class FilterAdam(torch.optim.Optimizer):
    """Adam with steps relative to the starting size of each filter; no weight decay."""

    def __init__(self, groups, betas=(0.9, 0.99), eps=1e-10):
        super().__init__(groups, {"lr": 0.0, "betas": betas, "eps": eps})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {
                    "step": 0,
                    "mean": torch.zeros_like(p),
                    "square": torch.zeros_like(p),
                    "size": filter_size(p),
                }

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                state["step"] += 1
                state["mean"].lerp_(p.grad, 1 - b1)
                state["square"].lerp_(p.grad.square(), 1 - b2)
                mean = state["mean"] / (1 - b1 ** state["step"])
                root = (state["square"] / (1 - b2 ** state["step"])).sqrt_()
                p.sub_(mean.div_(root.add_(group["eps"])).mul_(state["size"]), alpha=group["lr"])


def make_optimizer(network, rate: float, part: str = "all") -> FilterAdam:
    """Peak steps by part: backbone 1, neck and heads 2, class channels that the seed lacks 8.

    The stem is always frozen; `part` is one of PARTS. Class channels that the seed knows step like
    the heads; faster steps forget classes with few boxes.
    """
    groups = {"backbone": [], "rest": [], "new": []}
    for name, parameter in network.named_parameters():
        if name.startswith(PARTS[part]):
            parameter.requires_grad_(False)
            continue
        new = name.startswith("own_heads") and "class_logits" in name
        groups["new" if new else "backbone" if name.startswith("backbone") else "rest"].append(
            parameter
        )
    factors = {"backbone": 1.0, "rest": 2.0, "new": 8.0}
    return FilterAdam(
        {"params": groups[key], "lr": 0.0, "peak": rate * factor} for key, factor in factors.items()
    )


def set_rate(optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


class MovingAverage:
    """Exponential moving average of the weights, which is evaluated and shipped."""

    def __init__(self, network, decay: float = 0.998):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, network) -> None:
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for own, new in zip(self.network.parameters(), network.parameters(), strict=True):
            own.lerp_(new, 1 - keep)
