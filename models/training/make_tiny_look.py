"""Makes a tiny deterministic network for second looks, for tests.

    python make_tiny_look.py --out ../../testdata/models/look

It calls a crop `car` if it is bright and `container` if it is dark. That says nothing about the
world, but a test knows the answer: the white van of the street is a car to it, the blue car is
none.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from detector.manifest import sha256_of

SIDE = 32
# Mean brightness, 0 to 1, at which it is undecided, and how fast it decides.
MIDDLE, STEEP = 0.535, 60.0
MANIFEST = """name = "tiny-look"
version = "0.1.0"
file = "model.onnx"
sha256 = "{sha256}"
licence = "Apache-2.0"

[input]
width = 32
height = 32
channels = "rgb"
scale = 0.00392156862745098
letterbox = "stretch"

[head]
kind = "classifier"
context = 0.0

[runtime]
threads = 1

[[classes]]
name = "car"
kind = "vehicle"
judges = true
confirm = 0.7
deny = 0.3

[[classes]]
name = "truck"
kind = "vehicle"
judges = true
confirm = 0.7
deny = 0.3

[[classes]]
name = "bus"
kind = "vehicle"
judges = true
confirm = 0.7
deny = 0.3

[[classes]]
name = "container"
"""


def build() -> onnx.ModelProto:
    tensors = [
        numpy_helper.from_array(np.float32([MIDDLE]), "middle"),
        numpy_helper.from_array(np.float32([[STEEP, 0.0, 0.0, -STEEP]]), "steep"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "middle"], ["bright"]),
        helper.make_node("Unsqueeze", ["bright", "axis"], ["column"]),
        helper.make_node("MatMul", ["column", "steep"], ["decided"]),
        helper.make_node("Add", ["decided", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    tensors.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
    tensors.append(numpy_helper.from_array(np.float32([0.0, -20.0, -20.0, 0.0]), "bias"))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    out = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph(nodes, "tiny_look", [images], [out], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the tiny network for second looks.")
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(build().SerializeToString())
    (folder / "model.toml").write_text(MANIFEST.format(sha256=sha256_of(path)), encoding="utf-8")


if __name__ == "__main__":
    main()
