"""Converts the float64 parts of an ONNX model to float32: `python onnx_float32.py in.onnx
out.onnx`.

Exports of D-FINE from transformers compute their position embeddings in float64, but ONNX Runtime's
CPU provider has no Cos and Sin for it ("NOT_IMPLEMENTED ... Cos(7)"). A detector does not need
float64.
"""

from __future__ import annotations

import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def narrow(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.DOUBLE:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
        )


def main() -> None:
    source, target = sys.argv[1:]
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        narrow(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.DOUBLE:
                attribute.i = TensorProto.FLOAT
            if attribute.HasField("t"):
                narrow(attribute.t)
    del model.graph.value_info[:]
    onnx.save(model, target)


if __name__ == "__main__":
    main()
