"""Processor time of one crop on one thread: `python -m look.speed --model M --out speed.json`."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime

from . import crops
from .classify import Classifier

RUNS = 100


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    session = Classifier(args.model).session
    crop = np.random.default_rng(0).integers(0, 256, (1, crops.SIZE, crops.SIZE, 3), np.uint8)
    feed = {"images": crops.normalised(crop)}
    for _ in range(10):
        session.run(None, feed)
    began = time.process_time()
    for _ in range(RUNS):
        session.run(None, feed)
    each = (time.process_time() - began) / RUNS * 1000
    report = {"cpu_ms": round(each, 1), "runs": RUNS, "onnxruntime": onnxruntime.__version__}
    report["processor"] = processor()
    args.out.write_text(json.dumps(report) + "\n", encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
