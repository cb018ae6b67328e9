"""Times a model on one thread: `python latency.py --model ../lintel-nano --out latency.json`."""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

from reference import Detector

WARM_UP, RUNS = 10, 100


def processor() -> str:
    """The processor's name, if the system provides it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine()
    )


def inside(network: Path, threads: int, feed: dict[str, np.ndarray]) -> dict[str, float]:
    """Milliseconds of a run by ONNX Runtime's own profiler: the median of the whole run, and the
    mean of its kernels.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "run")
        session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        for _ in range(WARM_UP + RUNS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs = [e["dur"] / 1000 for e in events if e["name"] == "model_run"]
    kernels = sum(e["dur"] / 1000 for e in events if e["name"].endswith("_kernel_time"))
    return {
        "profiled_ms": round(float(np.median(runs[WARM_UP:])), 1),
        "kernels_ms": round(kernels / len(runs), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Times a model on one thread.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    detector = Detector(args.model)
    spec = detector.manifest["input"]
    pixels = np.full((1, 3, spec["height"], spec["width"]), 114, dtype=np.float32)
    feed = {detector.session.get_inputs()[0].name: pixels}
    times, busy = [], []
    for run in range(WARM_UP + RUNS):
        began, work = time.perf_counter(), time.thread_time()
        detector.session.run(None, feed)
        if run >= WARM_UP:
            times.append((time.perf_counter() - began) * 1000)
            busy.append((time.thread_time() - work) * 1000)
    report = {
        "processor_ms": round(float(np.median(busy)), 1),  # without the time of other programs
        "median_ms": round(float(np.median(times)), 1),
        "p10_ms": round(float(np.percentile(times, 10)), 1),
        "p90_ms": round(float(np.percentile(times, 90)), 1),
        **inside(
            args.model / detector.manifest["file"], detector.manifest["runtime"]["threads"], feed
        ),
        "threads": detector.manifest["runtime"]["threads"],
        "onnxruntime": onnxruntime.__version__,
        "processor": processor(),
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
