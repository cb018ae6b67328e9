"""Trains the change head on composed pairs and scores it on real pairs that it never saw.

    python -m change.train --folder runs/change --cutouts runs/cutouts --minutes 40

Run it in models/training. Starts from the seed's first stages and resumes from its last checkpoint.
The real pairs (LEVIR-CD, DSIFN) are for academic use only, so nothing is trained on them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from detector.seed import load_teacher

from .composites import Composer
from .network import ChangeHead

HERE = Path(__file__).parent.parent


class Pairs(torch.utils.data.IterableDataset):
    def __init__(self, composer, seed):
        self.composer, self.seed = composer, seed

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        cv2.setNumThreads(0)
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            before, after, mask = self.composer.pair(rng)
            yield before.transpose(2, 0, 1).copy(), after.transpose(2, 0, 1).copy(), mask[None]


def loss_of(logits, mask):
    weighted = F.binary_cross_entropy_with_logits(logits, mask)
    share = torch.sigmoid(logits)
    overlap = (2 * (share * mask).sum((1, 2, 3)) + 20) / (
        share.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 20
    )
    return weighted + 0.5 * (1 - overlap).mean()


def real_pairs(folder: Path):
    """(data set, before, after, mask) of labelled pairs, BGR uint8."""
    for data in sorted(p for p in folder.iterdir() if (p / "A").is_dir()):
        for path in sorted((data / "A").iterdir()):
            label = next((data / "label").glob(path.stem + ".*"))
            read = [cv2.imread(str(p)) for p in (path, data / "B" / path.name, label)]
            yield data.name, read[0], read[1], read[2][..., 0] > 127


@torch.no_grad()
def probabilities(head, before, after):
    """Probability of change per pixel of a pair (uint8 BGR, sides multiples of 16)."""
    both = [torch.from_numpy(p.transpose(2, 0, 1)[None].copy()).float() for p in (before, after)]
    return torch.sigmoid(head(*both))[0, 0].numpy()


def score(head, pairs, threshold=0.5):
    """Pixel F1 by data set."""
    head.eval()
    sums = {}
    for name, before, after, truth in pairs:
        found = probabilities(head, before, after) > threshold
        sums.setdefault(name, np.zeros(3))
        sums[name] += [(found & truth).sum(), found.sum(), truth.sum()]
    head.train()
    return {name: round(float(2 * hit / max(f + t, 1)), 3) for name, (hit, f, t) in sums.items()}


def main():
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--folder", type=Path, required=True)
    ask.add_argument("--cutouts", type=Path)
    ask.add_argument("--minutes", type=float, default=40.0)
    ask.add_argument("--batch", type=int, default=8)
    ask.add_argument("--rate", type=float, default=2e-3)
    args = ask.parse_args()
    shared = Path(os.environ.get("LINTEL_SHARED", HERE / "../../../shared"))
    torch.manual_seed(1)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    head = ChangeHead(
        load_teacher(shared / "weights/yolox_nano.onnx").backbone.requires_grad_(True)
    ).train()
    head = head.to(memory_format=torch.channels_last)
    new = [p for n, p in head.named_parameters() if n.startswith(("reduce", "mix", "out"))]
    old = [p for n, p in head.named_parameters() if not n.startswith(("reduce", "mix", "out"))]
    optimiser = torch.optim.AdamW(
        [{"params": new, "factor": 1.0}, {"params": old, "factor": 0.25}],
        lr=args.rate,
        weight_decay=1e-3,
    )
    args.folder.mkdir(parents=True, exist_ok=True)
    last, step, spent = args.folder / "last.pt", 0, 0.0
    if last.exists():
        state = torch.load(last, weights_only=True)
        head.load_state_dict(state["head"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
    composer = Composer(shared / "data", HERE / "sources.toml", args.cutouts)
    loader = iter(
        torch.utils.data.DataLoader(
            Pairs(composer, [1, step]), batch_size=args.batch, num_workers=1
        )
    )
    pairs = list(real_pairs(shared / "data/extra/change_pairs"))
    means, saved = [], spent
    while spent < 60 * args.minutes:
        begun, share = time.monotonic(), spent / (60 * args.minutes)
        for group in optimiser.param_groups:
            group["lr"] = (
                args.rate
                * group["factor"]
                * min((step + 1) / 100, 1)
                * 0.5
                * (1 + math.cos(math.pi * share))
            )
        before, after, mask = next(loader)
        before, after = (
            p.float().contiguous(memory_format=torch.channels_last) for p in (before, after)
        )
        loss = loss_of(head(before, after), mask)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 5.0)
        optimiser.step()
        step, spent = step + 1, spent + time.monotonic() - begun
        means.append(float(loss.detach()))
        if step % 100 == 0:
            row = {
                "step": step,
                "minutes": round(spent / 60, 1),
                "loss": round(float(np.mean(means)), 4),
            }
            means.clear()
            if step % 500 == 0:
                row |= score(head, pairs)
            print(json.dumps(row), flush=True)
        if spent - saved > 120 or spent >= 60 * args.minutes:
            saved = spent
            torch.save(
                {
                    "head": head.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "spent": spent,
                },
                last,
            )
    print(json.dumps(score(head, pairs)))


if __name__ == "__main__":
    main()
