"""Features -> the last blocks and the head.

    python -m look.train --proposals P --store S --out runs/look/last.pt [--epochs 1.5]

First the head alone on the published embedding (or --initial, a checkpoint). Then, with --epochs,
the last two blocks, the last convolution and the head together. A place says which classes are
possible; the loss is minus the logarithm of their weighted probability.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from .examples import Place, training_places
from .features import SPLIT, Store
from .network import Look, load_published

BATCH = 64
KIND_WEIGHT = {"ours": 1.5, "label": 1.0, "proposal": 0.7, "background": 0.5}


def set_loss(logits: torch.Tensor, possible: torch.Tensor) -> torch.Tensor:
    """[n] minus log of the sum of possible * probability. Of one sure class: cross entropy."""
    logs = torch.log_softmax(logits, dim=1) + torch.log(possible.clamp_min(1e-6))
    return -torch.logsumexp(logs, dim=1)


def drawing_weights(places: list[Place]) -> np.ndarray:
    """[n] by class and kind: rare classes are drawn more often, by the root of their number."""
    groups = [(p.kind == "background", p.said, p.weights.tobytes()) for p in places]
    count: dict[tuple, int] = {}
    for group in groups:
        count[group] = count.get(group, 0) + 1
    return np.array(
        [
            KIND_WEIGHT[p.kind] / np.sqrt(max(count[g], 20))
            for p, g in zip(places, groups, strict=True)
        ]
    )


class Rows:
    """Every variant of every place that the store has."""

    def __init__(self, places: list[Place], store: Store, variants: int = 8):
        self.store, self.keys, of = store, [], []
        for n, place in enumerate(places):
            have = [v for v in range(variants) if f"{place.key} {v}" in store.at]
            self.keys += [f"{place.key} {v}" for v in have]
            of += [n] * len(have)
        self.of = np.array(of)
        variants_of = np.bincount(self.of, minlength=len(places))
        self.draw = drawing_weights(places)[self.of] / variants_of[self.of]
        self.draw /= self.draw.sum()
        self.possible = torch.from_numpy(np.stack([places[n].weights for n in self.of]))

    def features(self, rows: np.ndarray) -> torch.Tensor:
        part = np.stack([self.store[self.keys[r]] for r in rows]).astype(np.float32)
        return torch.from_numpy(part).contiguous(memory_format=torch.channels_last)


def embedded(look: Look, rows: Rows) -> torch.Tensor:
    """[n, 1280] of all rows."""
    out = []
    with torch.no_grad():
        for first in range(0, len(rows.keys), 128):
            some = np.arange(first, min(first + 128, len(rows.keys)))
            out.append(look.trunk.upper(rows.features(some), SPLIT))
    return torch.cat(out)


def fit_head(look: Look, rows: Rows, steps: int, decay: float, seed: int = 0) -> float:
    """The head alone, on embeddings that do not move; the mean loss of the last 100 steps."""
    rng = np.random.default_rng(seed)
    embedding = embedded(look, rows)
    optimiser = torch.optim.AdamW(look.head.parameters(), lr=3e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    for _ in range(steps):
        some = rng.choice(len(rows.keys), size=256, p=rows.draw)
        x = torch.nn.functional.dropout(embedding[some], 0.2)
        loss = set_loss(look.head(x), rows.possible[some]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-100:]))


def tune(look: Look, rows: Rows, epochs: float, save, seed: int = 1) -> float:
    """The last blocks and the head; `save` is called now and then."""
    rng = np.random.default_rng(seed)
    steps = max(1, round(epochs * len(rows.keys) / BATCH))
    upper = [p for b in look.trunk.blocks[SPLIT:] for p in b.parameters()]
    upper += list(look.trunk.last.parameters())
    groups = [{"params": upper, "lr": 2e-4}, {"params": look.head.parameters(), "lr": 5e-4}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [g["lr"] for g in groups], steps, pct_start=0.1
    )
    losses, began = [], time.time()
    for step in range(steps):
        some = rng.choice(len(rows.keys), size=BATCH, p=rows.draw)
        embedding = look.trunk.upper(rows.features(some), SPLIT)
        logits = look.head(torch.nn.functional.dropout(embedding, 0.2))
        loss = set_loss(logits, rows.possible[some]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 50 == 49:
            seconds = time.time() - began
            print(
                f"step {step + 1}/{steps} loss {np.mean(losses[-50:]):.3f} {seconds:.0f} s",
                flush=True,
            )
            save()
    return float(np.mean(losses[-50:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--proposals", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000, help="of the head alone")
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--epochs", type=float, default=0.0, help="of the last blocks")
    parser.add_argument("--initial", type=Path, help="checkpoint to go on from")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    places, classes = training_places(args.proposals)
    rows = Rows(places, Store(args.store))
    look = Look(len(classes.names))
    load_published(look.trunk)
    look.to(memory_format=torch.channels_last)
    began = time.time()

    def save() -> None:
        torch.save({"look": look.state_dict(), "classes": classes.names}, args.out)

    if args.initial:
        saved = torch.load(args.initial, map_location="cpu", weights_only=True)
        if saved["classes"] != classes.names:
            raise SystemExit(f"{args.initial}: has other classes than look/classes.toml")
        look.load_state_dict(saved["look"])
        loss = None
    else:
        loss = fit_head(look, rows, args.steps, args.decay)
        print(f"head alone: {len(rows.keys)} crops, loss {loss:.3f}", flush=True)
    if args.epochs:
        loss = tune(look, rows, args.epochs, save)
    save()
    report = {"crops": len(rows.keys), "places": len(places), "loss": loss and round(loss, 4)}
    report |= {"epochs": args.epochs, "minutes": round((time.time() - began) / 60, 1)}
    report["places_by_class"] = {
        name: sum(p.weights[n] == 1 and p.weights.sum() == 1 for p in places)
        for n, name in enumerate(classes.names)
    }
    report["places_by_class"] = {k: int(v) for k, v in report["places_by_class"].items()}
    report["named_by_eye"] = {
        name: int(sum(p.kind == "ours" and p.weights[n] == 1 for p in places))
        for n, name in enumerate(classes.names)
    }
    report["possible_only"] = int(sum(p.weights.sum() != 1 for p in places))
    sources = sorted({p.source for p in places})
    report["places_by_source"] = {s: sum(p.source == s for p in places) for s in sources}
    args.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
