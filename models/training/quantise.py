"""Quantises an FP32 model folder to INT8 (static QDQ), calibrated on training pictures.

    python quantise.py --model ../lintel-nano --out ../lintel-nano-int8

Reads a folder that export.py wrote, and writes one of the same form. Its convolutions run in eight
bits: weights per channel and symmetric, activations per tensor, ranges by min-max over CALIBRATION
pictures of the training split. The last layers of the heads (box offsets, objectness, class logits)
and everything after them stay in floating point, because exp and rare classes need the range.
Prints how far the outputs move and how fast the model is here. Measure on the box which one to run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

import reference
from detector.classes import load_sources
from detector.dataset import shared_data
from detector.manifest import sha256_of

CALIBRATION = 96  # pictures
LAST_LAYERS = ("class_logits", "box.weight", "objectness")  # name parts of their weights


class Pictures(CalibrationDataReader):
    """Network inputs from training pictures, spread over the sources that allow training."""

    def __init__(self, spec: dict, name: str, count: int):
        sources = load_sources()
        coco = json.loads((shared_data() / "annotations_train.json").read_text(encoding="utf-8"))
        usable = [i for i in coco["images"] if sources[i["source"]]["decision"] == "train"]
        self.records = usable[:: max(1, len(usable) // count)][:count]
        self.spec, self.name = spec, name
        self.left = iter(self.records)

    def get_next(self):
        record = next(self.left, None)
        return None if record is None else {self.name: load(record, self.spec)}

    def rewind(self):
        self.left = iter(self.records)


def load(record: dict, spec: dict) -> np.ndarray:
    picture = np.asarray(Image.open(shared_data() / record["file_name"]).convert("RGB"))
    return reference.normalise(reference.letterbox(picture, spec)[0], spec)


def last_layers(path: Path) -> list[str]:
    """Names of the nodes that stay in floating point: the heads' last convolutions, and all nodes
    that are no convolutions.
    """
    nodes = onnx.load(str(path)).graph.node
    named = [
        n.name
        for n in nodes
        if n.op_type == "Conv" and any(part in n.input[1] for part in LAST_LAYERS)
    ]
    if not named or len(named) % 9:
        raise SystemExit(
            f"{path}: {len(named)} last layers of heads, 9 per set expected; "
            "export the model with export.py"
        )
    return named


def milliseconds(path: Path, feed: dict, runs: int = 40) -> float:
    """Median processor time of a run on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    times = []
    for _ in range(runs):
        began = time.thread_time()
        session.run(None, feed)
        times.append((time.thread_time() - began) * 1000)
    return float(np.median(times[5:]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes an INT8 model of an FP32 one.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=CALIBRATION)
    args = parser.parse_args()
    text = (args.model / "model.toml").read_text(encoding="utf-8")
    manifest = tomllib.loads(text)
    spec, source = manifest["input"], args.model / manifest["file"]
    args.out.mkdir(parents=True, exist_ok=True)
    target = args.out / "model.onnx"
    name = (
        onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
        .get_inputs()[0]
        .name
    )
    reader = Pictures(spec, name, args.pictures)
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(target),
            reader,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=False,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=last_layers(ready),
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
    onnx.checker.check_model(onnx.load(str(target)), full_check=True)
    text = text.replace(manifest["sha256"], sha256_of(target)).replace(
        f'name = "{manifest["name"]}"', f'name = "{args.out.name}"', 1
    )
    (args.out / "model.toml").write_text(text, encoding="utf-8")

    reader.rewind()
    feeds = [reader.get_next() for _ in range(8)]
    sessions = [
        onnxruntime.InferenceSession(str(p), providers=["CPUExecutionProvider"])
        for p in (source, target)
    ]
    apart = []
    for feed in feeds:
        a, b = (s.run(None, feed)[0] for s in sessions)
        apart.append(float(np.abs(a[..., 4:5] * a[..., 5:] - b[..., 4:5] * b[..., 5:]).max()))
    report = {
        "calibration_pictures": len(reader.records),
        "largest_score_difference": round(max(apart), 4),
        "fp32_processor_ms": round(milliseconds(source, feeds[0]), 1),
        "int8_processor_ms": round(milliseconds(target, feeds[0]), 1),
        "fp32_bytes": source.stat().st_size,
        "int8_bytes": target.stat().st_size,
    }
    (args.out / "quantised.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
