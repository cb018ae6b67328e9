"""Trains the detector. Writes checkpoints and resumes from the last one.

    torchrun --nproc-per-node 2 train.py --folder runs/first --minutes 75

One process per core, with one thread each. They synchronise once a step, to average gradients, so a
busy core delays a step and not every layer of it. `python train.py` runs a single process.

A run's length is given in minutes of training time, not in epochs, because the machine is shared.
The learning rate follows the share of that time already used. The last fifth has no mosaics. A
stopped run continues at its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import cv2
import torch
import torch.distributed
from torch.utils.data import DataLoader

from detector.augment import CanvasSet, collate
from detector.classes import load_classes, load_sources
from detector.dataset import load_samples, sampling_weights, shared_data, shared_seed
from detector.loss import PartialLabelLoss
from detector.network import anchor_points
from detector.paste import Cutouts, cut_machines, load_rendered
from detector.schedule import PARTS, MovingAverage, make_optimizer, rate_factor, set_rate
from detector.seed import load_teacher, start_from_model, start_from_seed

WITHOUT_MOSAIC = 0.2  # last share of the run
LOG_EVERY = 20
GRADIENT_LIMIT = 200.0  # norm; ordinary steps stay below it, spikes are clipped


def parse_args(arguments=None):
    parser = argparse.ArgumentParser(description="Trains the detector.")
    parser.add_argument(
        "--folder", type=Path, required=True, help="folder for checkpoints and the log"
    )
    parser.add_argument("--minutes", type=float, default=75.0, help="total training time")
    parser.add_argument(
        "--initial",
        type=Path,
        help="model folder or checkpoint (.pt) to start from, instead of the seed",
    )
    parser.add_argument(
        "--towards-seed",
        type=float,
        default=0.0,
        help="share of the seed in the weights of --initial",
    )
    parser.add_argument(
        "--part",
        choices=PARTS,
        default="all",
        help="what is trained: heads freezes the trunk (half the time), "
        "own-heads also the seed's classes (a third)",
    )
    parser.add_argument("--distil", type=float, default=1.0, help="weight of following the seed")
    parser.add_argument(
        "--teacher", type=Path, help="labels of teacher_labels.py for what the sources leave out"
    )
    parser.add_argument(
        "--also",
        type=Path,
        action="append",
        default=[],
        help="folder with your own pictures: annotations_train.json and sources.toml, "
        "as lintel harvest writes it",
    )
    parser.add_argument(
        "--cutouts", type=Path, help="rendered cut-outs (synth/cutouts.py) to paste into pictures"
    )
    parser.add_argument(
        "--copy-machines", action="store_true", help="also paste real machines into other pictures"
    )
    parser.add_argument(
        "--drawn", type=float, default=0.12, help="share of drawn grounds, with cut-outs"
    )
    parser.add_argument(
        "--paste", type=float, default=1.0, help="factor on how often cut-outs are pasted"
    )
    parser.add_argument("--steps", type=int, help="stop after this many steps instead")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument(
        "--batch", type=int, default=16, help="pictures per step, over all processes"
    )
    parser.add_argument(
        "--rate", type=float, default=1.5e-3, help="peak step of the backbone, relative to a filter"
    )
    parser.add_argument("--mosaic", type=float, default=0.55, help="share of mosaics")
    parser.add_argument("--limit", type=int, help="train on about this many pictures only")
    parser.add_argument("--save-every", type=float, default=3.0, help="minutes between checkpoints")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--random-seed", type=int, default=1)
    return parser.parse_args(arguments)


class Trainer:
    """A run: the network, the seed as teacher, the optimiser, and the position in the schedule."""

    def __init__(self, args):
        self.args = args
        self.rank = int(os.environ.get("RANK", 0))
        self.processes = int(os.environ.get("WORLD_SIZE", 1))
        if self.processes > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")
        torch.set_num_threads(args.threads)
        torch.manual_seed(args.random_seed)
        cv2.setNumThreads(1)
        self.classes = load_classes()
        self.samples = load_samples(
            shared_data() / "annotations_train.json",
            self.classes,
            load_sources(),
            args.limit,
            args.teacher,
        )
        for folder in args.also:
            self.samples += load_samples(
                folder / "annotations_train.json",
                self.classes,
                load_sources(folder / "sources.toml"),
            )
        pieces = load_rendered(args.cutouts, self.classes) if args.cutouts else []
        if args.copy_machines:
            pieces += cut_machines(self.samples, self.classes)
        self.cutouts = Cutouts(pieces)
        self.weights = sampling_weights(self.samples, self.classes)
        layout = torch.channels_last
        network = (
            start_from_model(args.initial, shared_seed(), self.classes, args.towards_seed)
            if args.initial
            else start_from_seed(shared_seed(), self.classes)
        )
        self.network = network.to(memory_format=layout)
        self.teacher = load_teacher(shared_seed()).to(memory_format=layout)
        self.average = MovingAverage(self.network)
        self.optimizer = make_optimizer(self.network, args.rate, args.part)
        self.loss = PartialLabelLoss(
            self.classes, anchor_points(args.height, args.width), args.distil
        )
        self.step, self.seconds, self.history = 0, 0.0, []
        args.folder.mkdir(parents=True, exist_ok=True)

    @property
    def progress(self) -> float:
        if self.args.steps:
            return self.step / self.args.steps
        return self.seconds / (self.args.minutes * 60)

    @property
    def epochs(self) -> float:
        return self.step * self.args.batch / len(self.samples)

    def batches(self):
        """This process's share of endless batches; mosaics depend on the position in the run."""
        args = self.args
        share = args.batch // self.processes
        while True:
            mosaic = args.mosaic if self.progress < 1 - WITHOUT_MOSAIC else 0.0
            canvases = CanvasSet(
                self.samples,
                self.weights,
                args.width,
                args.height,
                length=share * 50,
                mosaic=mosaic,
                seed=(args.random_seed * 1_000_003 + self.step) * self.processes + self.rank,
                cutouts=self.cutouts,
                drawn=args.drawn if args.cutouts else 0.0,
                paste_share=args.paste,
            )
            yield from DataLoader(canvases, share, collate_fn=collate)

    def train_step(self, batch) -> dict:
        pictures = batch["pictures"].float().contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                seed_output = None if self.args.part == "own-heads" else self.teacher(pictures)
            with torch.set_grad_enabled(self.args.part == "all"):
                levels = self.network.neck(self.network.backbone(pictures))
            output = self.network.rows(levels)
        loss, parts = self.loss(output, seed_output, batch)
        set_rate(self.optimizer, rate_factor(self.step, self.progress))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average_over_processes()
        parts["gradient"] = float(
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_LIMIT)
        )
        self.optimizer.step()
        self.average.update(self.network)
        self.step += 1
        return {"loss": float(loss.detach()), **parts}

    def average_over_processes(self) -> None:
        """Averages the gradients and the clock, so that all processes agree on the position."""
        if self.processes == 1:
            return
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor([self.seconds])])
        torch.distributed.all_reduce(flat)
        flat /= self.processes
        self.seconds = float(flat[-1])
        for gradient, part in zip(
            gradients, flat[:-1].split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    def run(self) -> list[dict]:
        """Trains to the end of the schedule. Returns the log, one row per LOG_EVERY steps."""
        saved, window = time.monotonic(), []
        before = time.monotonic()
        for batch in self.batches():
            window.append(self.train_step(batch))
            now = time.monotonic()
            self.seconds, before = self.seconds + now - before, now
            if len(window) == LOG_EVERY:
                self.log(window)
                window = []
            if now - saved > self.args.save_every * 60:
                self.save()
                saved = now
            # The processes' clocks differ by less than a step, and all stop at the same step.
            if self.finished():
                break
        self.save()
        return self.history

    def finished(self) -> bool:
        """Whether the first process's clock has reached the end of the run."""
        over = torch.tensor([self.progress >= 1])
        if self.processes > 1:
            torch.distributed.broadcast(over, src=0)
        return bool(over)

    def log(self, window) -> None:
        keys = dict.fromkeys(key for w in window for key in w)
        row = {key: round(sum(w.get(key, 0.0) for w in window) / len(window), 4) for key in keys}
        row |= {"width": self.args.width, "height": self.args.height, "step": self.step}
        row |= {"epoch": round(self.epochs, 2), "minutes": round(self.seconds / 60, 1)}
        self.history.append(row)
        if self.rank == 0:
            print(json.dumps(row), flush=True)

    def save(self) -> None:
        """Replaces run/last.pt in one step, so that a kill never leaves a partial file."""
        if self.rank != 0:
            return
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "classes": self.classes.names,
            "batch": self.args.batch,
            "rate": self.args.rate,
            "pictures": len(self.samples),
            "epochs": self.epochs,
        }
        part = self.args.folder / "last.pt.part"
        torch.save(state, part)
        part.replace(self.args.folder / "last.pt")

    def resume(self) -> None:
        """Continues from run/last.pt if it exists."""
        path = self.args.folder / "last.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["classes"] != self.classes.names:
            raise SystemExit(f"{path}: its class list differs; choose another --folder")
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
        if self.rank == 0:
            print(
                f"{path}: continuing at step {self.step}, {self.seconds / 60:.1f} minutes",
                flush=True,
            )


def main() -> None:
    trainer = Trainer(parse_args())
    if trainer.rank == 0:
        print(
            f"{len(trainer.samples)} pictures, classes: {', '.join(trainer.classes.names)}",
            flush=True,
        )
    trainer.resume()
    trainer.run()


if __name__ == "__main__":
    main()
