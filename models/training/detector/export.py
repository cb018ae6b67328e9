"""Network -> ONNX, and the check that both give the same numbers."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from .network import YoloxNano

OPSET = 17
TOLERANCE = 1e-3  # largest difference allowed between PyTorch and ONNX Runtime, raw outputs


def export_onnx(network: YoloxNano, path: Path, width: int, height: int) -> None:
    """Writes `images` [1, 3, H, W] -> `output` [1, N, 5 + C]: box offsets, then probabilities."""
    network = network.eval().to(memory_format=torch.contiguous_format)
    network.probabilities = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter announces its successor
            torch.onnx.export(
                network,
                (torch.zeros(1, 3, height, width),),
                str(path),
                opset_version=OPSET,
                input_names=["images"],
                output_names=["output"],
                dynamo=False,
            )
    finally:
        network.probabilities = False
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)


@torch.no_grad()
def largest_difference(network: YoloxNano, path: Path, inputs: list[np.ndarray]) -> float:
    """Largest absolute difference of outputs over `inputs`, each [1, 3, H, W] float32."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    network.eval()
    network.probabilities = True
    worst = 0.0
    for pixels in inputs:
        ours = network(torch.from_numpy(pixels)).numpy()
        theirs = session.run(None, {"images": pixels})[0]
        worst = max(worst, float(np.abs(ours - theirs).max()))
    network.probabilities = False
    return worst
