"""Merges trained weights and the seed into one network, layer by layer, without training.

    python merge.py --trained runs/nano/last.pt --share 0.35 --out runs/merged/last.pt

Reads a checkpoint (or model folder) that has learned new classes and lost some of what the seed
knew. Writes a checkpoint whose trunk and first heads approximate the outputs of both, by least
squares over training pictures. Each convolution W solves (a G1 + s G2) W = a G1 W1 + s G2 W2. G1
and G2 are the second moments of its inputs in the trained network and in the seed (RegMean; Jin et
al., "Dataless Knowledge Fusion by Merging Weights of Language Models", 2023). s is the seed's share
and a = 1 - s.

The second heads then get a new first layer, fitted by weighted least squares, so that they see the
same in the features of the merged trunk. This takes minutes, where training takes hours. The mean
of weights (`--towards-seed`) is simpler but keeps less of both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from torch import nn

import train
from detector.dataset import shared_seed
from detector.seed import start_from_model

OFF_DIAGONAL = 0.9  # of the second moments; less is closer to the mean of weights
RIDGE = 1e-6  # of the mean second moment
# Positions sampled from a batch for a pointwise and for a depthwise convolution.
ROWS, TAPS = 8000, 3000
# Weight of a place where the second heads see nothing; elsewhere their score is added.
BACKGROUND = 0.02


def inputs_of(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """The layer's inputs, with a one for the bias: [n, Cin + 1], or [C, n, 9 + 1] if depthwise."""
    x = x.float()
    if layer.kernel_size == (1, 1):
        rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        rows = rows[torch.randperm(len(rows))[:ROWS]]
        return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
    channels = x.shape[1]
    taps = F.unfold(x[:2], 3, padding=1, stride=layer.stride)
    taps = taps.reshape(len(taps), channels, 9, -1).permute(1, 0, 3, 2).reshape(channels, -1, 9)
    taps = taps[:, torch.randperm(taps.shape[1])[:TAPS]]
    return torch.cat([taps, torch.ones(*taps.shape[:2], 1)], dim=2)


def merged_layers(network) -> dict[str, nn.Conv2d]:
    """The convolutions to merge: all but the stem, which is not trained, and the second heads."""
    layers = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    return {n: m for n, m in layers.items() if not n.startswith(("own_heads", "backbone.stem"))}


@torch.no_grad()
def second_moments(network, batches) -> dict[str, torch.Tensor]:
    moments: dict = {}

    def add(name):
        def hook(layer, given, _):
            rows = inputs_of(layer, given[0])
            moments[name] = (
                moments.get(name, 0) + (rows.transpose(-1, -2) @ rows / rows.shape[-2]).double()
            )

        return hook

    hooks = [
        layer.register_forward_hook(add(name)) for name, layer in merged_layers(network).items()
    ]
    for pixels in batches:
        network(as_input(pixels))
    for hook in hooks:
        hook.remove()
    return moments


def as_input(pixels):
    return pixels.float().contiguous(memory_format=torch.channels_last)


def with_bias(layer: nn.Conv2d) -> torch.Tensor:
    return torch.cat([layer.weight.flatten(1), layer.bias[:, None]], dim=1).double()


def less_off_diagonal(moments: torch.Tensor) -> torch.Tensor:
    diagonal = torch.diag_embed(moments.diagonal(dim1=-2, dim2=-1))
    return OFF_DIAGONAL * moments + (1 - OFF_DIAGONAL) * diagonal


@torch.no_grad()
def merge(trained, seed, batches, share: float) -> dict:
    """State of the merged network; its second heads are still the trained ones."""
    ours, theirs = second_moments(trained, batches), second_moments(seed, batches)
    state, other = trained.state_dict(), merged_layers(seed)
    for name, layer in merged_layers(trained).items():
        g1, g2 = (
            less_off_diagonal(ours[name] * (1 - share)),
            less_off_diagonal(theirs[name] * share),
        )
        w1, w2, both = with_bias(layer), with_bias(other[name]), g1 + g2
        both = (
            both
            + torch.eye(both.shape[-1], dtype=both.dtype)
            * RIDGE
            * both.diagonal(dim1=-2, dim2=-1).mean()
        )
        if both.dim() == 2:
            solved = torch.linalg.solve(both, g1 @ w1.T + g2 @ w2.T).T
        else:  # depthwise: one system per channel
            solved = torch.linalg.solve(both, g1 @ w1[..., None] + g2 @ w2[..., None])[..., 0]
        state[f"{name}.weight"] = solved[:, :-1].reshape(layer.weight.shape).float()
        state[f"{name}.bias"] = solved[:, -1].float()
    return state


@torch.no_grad()
def fit_first_layers(state: dict, merged, trained, batches) -> None:
    """Replaces the first layers of the second heads in `state`."""
    heads = trained.own_heads
    left = [
        torch.zeros(h.stem.conv.in_channels + 1, h.stem.conv.in_channels + 1, dtype=torch.float64)
        for h in heads
    ]
    right = [
        torch.zeros(len(g), h.stem.conv.out_channels, dtype=torch.float64)
        for g, h in zip(left, heads, strict=True)
    ]
    for pixels in batches:
        x = as_input(pixels)
        before, after = trained.neck(trained.backbone(x)), merged.neck(merged.backbone(x))
        for level, head in enumerate(heads):
            wanted = head.stem.conv(before[level])
            features = F.silu(wanted)
            seen = (
                head.class_logits(head.class_branch(features)).sigmoid().amax(dim=1, keepdim=True)
            )
            weight = BACKGROUND + head.objectness(head.box_branch(features)).sigmoid() * seen
            rows, weight, wanted = (
                v.permute(0, 2, 3, 1).flatten(0, 2).double() for v in (after[level], weight, wanted)
            )
            rows = torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)
            left[level] += (rows * weight).T @ rows
            right[level] += (rows * weight).T @ wanted
    for level, head in enumerate(heads):
        ridge = (
            torch.eye(len(left[level]), dtype=torch.float64) * left[level].diagonal().mean() * 1e-4
        )
        ridge[-1, -1] = 0  # towards the previous layer, except its bias
        solved = torch.linalg.solve(
            left[level] + ridge, right[level] + ridge @ with_bias(head.stem.conv).T
        )
        state[f"own_heads.{level}.stem.conv.weight"] = solved[:-1].T[..., None, None].float()
        state[f"own_heads.{level}.stem.conv.bias"] = solved[-1].float()


def main() -> None:
    parser = argparse.ArgumentParser(description="Merges trained weights with the seed's.")
    parser.add_argument("--trained", type=Path, required=True, help="checkpoint of train.py")
    parser.add_argument("--share", type=float, default=0.35, help="of the seed")
    parser.add_argument("--batches", type=int, default=16, help="of 8 training canvases")
    parser.add_argument("--cutouts", type=Path)
    parser.add_argument("--random-seed", type=int, default=55)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="checkpoint to write, for export.py and train.py --initial",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    extra = ["--cutouts", str(args.cutouts), "--drawn", "0.08"] if args.cutouts else []
    run = train.Trainer(
        train.parse_args(
            [
                "--folder",
                str(args.out.parent),
                "--batch",
                "8",
                "--mosaic",
                "0.4",
                "--copy-machines",
                "--random-seed",
                str(args.random_seed),
                *extra,
            ]
        )
    )
    trained, seed = (
        start_from_model(args.trained, shared_seed(), run.classes, share).eval()
        for share in (0.0, 1.0)
    )
    batches = [
        batch["pictures"] for batch, _ in zip(run.batches(), range(args.batches), strict=False)
    ]
    state = merge(trained, seed, batches, args.share)
    merged = start_from_model(args.trained, shared_seed(), run.classes).eval()
    merged.load_state_dict(state)
    fit_first_layers(state, merged, trained, batches)
    before = torch.load(args.trained, weights_only=True)
    kept = {
        key: before[key]
        for key in ("step", "seconds", "history", "epochs", "batch", "rate", "pictures")
        if key in before
    }
    torch.save(
        {"average": state, "classes": run.classes.names, "merged_share": args.share, **kept},
        args.out,
    )
    print(f"{args.out}: {args.share} of the seed, from {args.batches * 8} canvases")


if __name__ == "__main__":
    main()
