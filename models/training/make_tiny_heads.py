"""Makes tiny deterministic ONNX models, one per supported head, and their expected results.

    python make_tiny_heads.py --out ../../testdata/models --frames ../../testdata/frames

Each model (a few KB) averages the picture over cells, measures local contrast with one fixed
convolution, and turns that into boxes. Its detections depend on the pixels but mean nothing. The
folders differ in size, channel order, normalisation and letterbox, so that a mix-up shows.

Each folder gets model.onnx, model.toml and expected.json (COCO results of `reference.py` for
frames.json). A model is written only if its detections are stable: under small noise the set of
boxes must stay the same, so that a test can compare them one by one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from detector.manifest import write_manifest
from reference import Detector, detect_all

CLASSES = ["person", "car", "truck"]
OPSET = 13
IMAGENET = {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
BYTES = {"scale": 1.0, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
UNIT = {"scale": 1 / 255, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}

# name: (head kind, width, height, channels, normalisation, letterbox,
#        gain that brings contrast to about 1, phase of the fixed weights)
MODELS = {
    "yolox": ("yolox", 160, 96, "bgr", BYTES, "top_left", 1 / 20, 0),
    "yolov5": ("yolov5", 128, 128, "rgb", UNIT, "center", 12.0, 0),
    "yolov8": ("yolov8", 160, 96, "rgb", UNIT, "center", 12.0, 0),
    "detr": ("detr", 128, 96, "rgb", IMAGENET, "stretch", 3.0, 0),
    "detr_sized": ("detr", 160, 128, "rgb", UNIT, "top_left", 12.0, 0),
    "detr_fused": ("detr", 128, 96, "rgb", UNIT, "stretch", 12.0, 0),
    "end_to_end": ("end_to_end", 160, 96, "rgb", UNIT, "center", 12.0, 0),
}


class Graph:
    """Collects nodes and constants; `add` returns the name of the node's output."""

    def __init__(self):
        self.nodes, self.tensors = [], []

    def constant(self, value) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes) -> str:
        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output


def fixed(shape: tuple[int, ...], phase: float) -> np.ndarray:
    """Fixed weights in -1..1, irregular but without a random generator."""
    index = np.arange(int(np.prod(shape)), dtype=np.float64)
    return np.sin(index * 12.9898 + phase * 78.233).astype(np.float32).reshape(shape)


def cell_rows(graph: Graph, stride: int, gain: float, channels: int, phase: float) -> str:
    """Picture -> [1, H/stride * W/stride, channels], row-major; values mostly within -3..3."""
    cells = graph.add("AveragePool", "images", kernel_shape=[stride] * 2, strides=[stride] * 2)
    contrast = fixed((8, 3, 3, 3), phase)
    contrast -= contrast.mean(axis=(2, 3), keepdims=True)  # a flat area gives zero
    mixed = graph.add(
        "Conv",
        cells,
        graph.constant(contrast * np.float32(gain)),
        kernel_shape=[3, 3],
        pads=[1] * 4,
    )
    bounded = graph.add("Tanh", mixed)
    weight = fixed((channels, 8, 1, 1), phase + 1)
    out = graph.add("Conv", bounded, graph.constant(weight), kernel_shape=[1, 1])
    shape = graph.constant(np.array([1, channels, -1], dtype=np.int64))
    return graph.add("Transpose", graph.add("Reshape", out, shape), perm=[0, 2, 1])


def split(graph: Graph, rows: str, *sizes: int) -> list[str]:
    """Splits [1, N, C] along C."""
    names = [f"s{len(graph.nodes)}_{i}" for i in range(len(sizes))]
    parts = graph.constant(np.array(sizes, dtype=np.int64))
    graph.nodes.append(helper.make_node("Split", [rows, parts], names, axis=2))
    return names


def probability(graph: Graph, logits: str, bias: float, gain: float = 3.0) -> str:
    """sigmoid(gain * x + bias)"""
    scaled = graph.add("Mul", logits, graph.constant(np.float32(gain)))
    return graph.add("Sigmoid", graph.add("Add", scaled, graph.constant(np.float32(bias))))


def cell_grid(width: int, height: int, stride: int) -> np.ndarray:
    """Centres and a base size, [1, N, 4] cx, cy, w, h in pixels."""
    row, column = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32)
    size = np.full_like(row, stride * 4)
    grid = np.stack([(column + 0.5) * stride, (row + 0.5) * stride, size, size], axis=-1)
    return grid.reshape(1, -1, 4)


def pixel_boxes(graph: Graph, boxes: str, width: int, height: int, stride: int) -> str:
    """Raw [1, N, 4] -> boxes cx, cy, w, h in pixels around each cell."""
    moved = graph.add("Mul", graph.add("Tanh", boxes), graph.constant(np.float32(stride * 0.4)))
    return graph.add("Add", moved, graph.constant(cell_grid(width, height, stride)))


def build(name: str) -> onnx.ModelProto:
    kind, width, height, _, _, _, gain, seed = MODELS[name]
    graph, count = Graph(), len(CLASSES)
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])]
    outputs = []

    def declare(label: str, shape: list[int], kind_of=TensorProto.FLOAT):
        outputs.append(helper.make_tensor_value_info(label, kind_of, shape))

    if kind == "yolox":
        levels = []
        for phase, stride in enumerate((8, 16, 32)):
            offsets, objectness, classes = split(
                graph, cell_rows(graph, stride, gain, 5 + count, seed + phase * 0.31), 4, 1, count
            )
            half = graph.constant(np.float32(0.5))
            wide = graph.constant(np.float32([0, 0, 1.2, 1.2]))
            box = graph.add("Add", graph.add("Mul", graph.add("Tanh", offsets), half), wide)
            parts = [box, probability(graph, objectness, -3.0, 2.0)]
            levels.append(
                graph.add("Concat", *parts, probability(graph, classes, 1.0, 2.0), axis=2)
            )
        graph.add("Concat", *levels, axis=1, output="output")
        rows = sum(width // s * height // s for s in (8, 16, 32))
        declare("output", [1, rows, 5 + count])
    else:
        cells = cell_rows(graph, 16, gain, 5 + count, seed + 0.7)
        raw, objectness, classes = split(graph, cells, 4, 1, count)
        boxes = pixel_boxes(graph, raw, width, height, 16)
        rows = width // 16 * height // 16
        if name == "yolov5":
            parts = [boxes, probability(graph, objectness, -2.0), probability(graph, classes, 1.0)]
            graph.add("Concat", *parts, axis=2, output="output")
            declare("output", [1, rows, 5 + count])
        elif name == "yolov8":
            joined = graph.add("Concat", boxes, probability(graph, classes, -4.0), axis=2)
            graph.add("Transpose", joined, perm=[0, 2, 1], output="output")
            declare("output", [1, 4 + count, rows])
        elif name == "detr":
            size = graph.constant(np.float32([width, height, width, height]))
            graph.add("Div", boxes, size, output="pred_boxes")
            shifted = graph.add("Mul", classes, graph.constant(np.float32(3.0)))
            graph.add("Add", shifted, graph.constant(np.float32(-4.0)), output="logits")
            declare("logits", [1, rows, count])
            declare("pred_boxes", [1, rows, 4])
        elif name == "detr_fused":
            size = graph.constant(np.float32([width, height, width, height]))
            fractions = graph.add("Div", boxes, size)
            graph.add(
                "Concat", fractions, probability(graph, classes, -4.0), axis=2, output="output0"
            )
            declare("output0", [1, rows, 4 + count])
        elif name == "end_to_end":
            centre, extent = split(graph, boxes, 2, 2)
            half = graph.add("Mul", extent, graph.constant(np.float32(0.5)))
            low, high = graph.add("Sub", centre, half), graph.add("Add", centre, half)
            scores = probability(graph, classes, -4.0)
            label = graph.add(
                "Cast", graph.add("ArgMax", scores, axis=2, keepdims=1), to=TensorProto.FLOAT
            )
            best = graph.add("ReduceMax", scores, axes=[2], keepdims=1)
            graph.add("Concat", low, high, best, label, axis=2, output="output0")
            declare("output0", [1, rows, 6])
        else:
            size_input = helper.make_tensor_value_info(
                "orig_target_sizes", TensorProto.INT64, [1, 2]
            )
            inputs.append(size_input)
            centre, extent = split(graph, boxes, 2, 2)
            half = graph.add("Mul", extent, graph.constant(np.float32(0.5)))
            low, high = graph.add("Sub", centre, half), graph.add("Add", centre, half)
            pixels = graph.add("Concat", low, high, axis=2)
            size = graph.constant(np.float32([width, height, width, height]))
            fractions = graph.add("Div", pixels, size)
            asked = graph.add("Cast", "orig_target_sizes", to=TensorProto.FLOAT)
            twice = graph.add("Concat", asked, asked, axis=1)
            graph.add("Mul", fractions, twice, output="boxes")
            scores = probability(graph, classes, -4.0)
            axis = {"axis": 2, "keepdims": 0}
            graph.add("ArgMax", scores, output="labels", **axis)
            graph.add("ReduceMax", scores, output="scores", axes=[2], keepdims=0)
            declare("labels", [1, rows], TensorProto.INT64)
            declare("boxes", [1, rows, 4])
            declare("scores", [1, rows])

    body = helper.make_graph(graph.nodes, f"tiny_{name}", inputs, outputs, graph.tensors)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def write_model(name: str, folder: Path) -> None:
    kind, width, height, channels, normalisation, box, _, _ = MODELS[name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(build(name).SerializeToString())
    write_manifest(
        folder,
        name=f"tiny-{name}",
        version="0.1.0",
        input={
            "width": width,
            "height": height,
            "channels": channels,
            **normalisation,
            "letterbox": box,
            "pad": 114,
        },
        head={"kind": kind, "nms_iou": 0.5},
        classes=[(label, 0.25) for label in CLASSES],
        kinds={"person": "person", "car": "vehicle", "truck": "vehicle"},
    )


def check_stable(name: str, folder: Path, coco: dict, frames: Path) -> None:
    """Checks that small fixed noise on the pictures leaves the detections the same."""
    detector = Detector(folder)
    for record in coco["images"]:
        picture = np.asarray(Image.open(frames / record["file_name"]).convert("RGB"))
        noise = np.round(fixed(picture.shape, 0.1)).astype(np.int16)
        noisy = np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)
        (b0, s0, c0), (b1, s1, c1) = detector.detect(picture), detector.detect(noisy)
        place = f"{name}, {record['file_name']}"
        if len(s0) < 3:
            raise SystemExit(f"{place}: only {len(s0)} detections; raise a bias in build()")
        if len(s0) != len(s1):
            raise SystemExit(
                f"{place}: noise changes the number of boxes; change a phase in build()"
            )
        for box, score, label in zip(b0, s0, c0, strict=True):
            near = (
                (np.abs(b1 - box).max(axis=1) < 0.7) & (np.abs(s1 - score) < 0.007) & (c1 == label)
            )
            if not near.any():
                raise SystemExit(f"{place}: noise moves a box; change a phase in build()")


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the tiny test models.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=Path, required=True, help="folder with frames.json")
    args = parser.parse_args()
    coco = json.loads((args.frames / "frames.json").read_text(encoding="utf-8"))
    for name in MODELS:
        folder = args.out / name
        write_model(name, folder)
        check_stable(name, folder, coco, args.frames)
        results = detect_all(Detector(folder), coco, args.frames, 0.1)
        (folder / "expected.json").write_text(
            json.dumps(results, indent=0) + "\n", encoding="utf-8"
        )
        print(f"{name}: {len(results)} detections, {(folder / 'model.onnx').stat().st_size} bytes")


if __name__ == "__main__":
    main()
