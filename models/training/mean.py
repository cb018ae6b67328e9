"""The weighted mean of checkpoints of one training. It often scores a little better than each of
them (Wortsman et al., "Model soups", arXiv 2203.05482).

    python mean.py --out mean/last.pt --of runs/more/last.pt 0.7 --of merged.pt 0.3

Everything but the weights (steps, classes, history) comes from the first checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def mean(checkpoints: list[dict], weights: list[float]) -> dict:
    """One checkpoint whose `average` is the weighted mean of the others'. All must have the same
    classes.
    """
    first = checkpoints[0]
    if any(c["classes"] != first["classes"] for c in checkpoints):
        raise SystemExit("the checkpoints have different classes; use checkpoints of one training")
    total = sum(weights)

    def blend(name: str, value: torch.Tensor) -> torch.Tensor:
        if not value.is_floating_point():
            return value
        return sum(
            c["average"][name] * (w / total) for c, w in zip(checkpoints, weights, strict=True)
        )

    return {
        **first,
        "average": {name: blend(name, value) for name, value in first["average"].items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Weighted mean of checkpoints.")
    parser.add_argument(
        "--of", nargs=2, action="append", required=True, metavar=("CHECKPOINT", "WEIGHT")
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    checkpoints = [torch.load(path, weights_only=True) for path, _ in args.of]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(mean(checkpoints, [float(weight) for _, weight in args.of]), args.out)


if __name__ == "__main__":
    main()
