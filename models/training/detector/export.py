"""Exports the network to ONNX, and checks that both compute the same."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from .network import YoloxNano, anchor_points

OPSET = 17
TOLERANCE = 1e-3  # largest difference allowed between PyTorch and ONNX Runtime, raw outputs


def export_onnx(network: YoloxNano, path: Path, width: int, height: int) -> None:
    """Writes an ONNX file: `images` [1, 3, H, W] -> `output` [1, rows, 5 + C], the output of
    `YoloxNano` with `probabilities`.
    """
    network = network.eval().to(memory_format=torch.contiguous_format)
    network.probabilities = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's notice about its successor
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
    """Largest absolute difference of outputs over `inputs`, each [1, 3, H, W] float32.

    Boxes in pixels are divided by 100, so 1e-3 is a tenth of a pixel.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    network.eval()
    network.probabilities = True
    worst = 0.0
    for pixels in inputs:
        ours = network(torch.from_numpy(pixels)).numpy()
        theirs = session.run(None, {"images": pixels})[0]
        apart = np.abs(ours - theirs)
        if network.own_classes:
            apart[..., :4] /= 100
        worst = max(worst, float(apart.max()))
    network.probabilities = False
    return worst


def head_kind(network: YoloxNano) -> str:
    """The manifest's name for the exported network's output."""
    return "yolov5" if network.own_classes else "yolox"


def keep_classes(network: YoloxNano, names: list[str], kept: list[str]) -> YoloxNano:
    """The same network with only the class channels of `kept`, in the order of `names`."""
    first, second = names[: network.classes], names[network.classes :]
    rows = {
        "heads": [row for row, name in enumerate(first) if name in kept],
        "own_heads": [row for row, name in enumerate(second) if name in kept],
    }
    smaller = YoloxNano(len(rows["heads"]), len(rows["own_heads"]))
    state = network.state_dict()
    for key, value in state.items():
        if "class_logits" in key:
            state[key] = value[rows[key.split(".")[0]]]
    smaller.load_state_dict(state)
    return smaller.eval()


def add_nms(
    source: Path, target: Path, width: int, height: int, *, kind: str, floor: float, ious, most: int
) -> None:
    """Writes a model that ends in `detections` [1, most, 6]: x1 y1 x2 y2 in input pixels, score,
    class.

    The product's postprocessing as ONNX operators (NonMaxSuppression of opset 11), for programs
    that need boxes: best class of each point, suppression within a class, best first, zeros at the
    end. `ious`: the allowed overlap of each class; every different value has its own operator.
    """
    model = onnx.load(str(source))
    graph = model.graph
    points = anchor_points(height, width).numpy()
    offsets = kind == "yolox"  # "yolov5": centre and size are already in pixels
    tensors = {
        "nms_floor": np.float32([floor]),
        "nms_most": np.int64([most]),
        "nms_half": np.float32(0.5),
        "nms_split": np.int64([2, 2, 1, points_classes(graph)]),
        "nms_column": np.int64([2]),
        "nms_pads": np.int64([0, 0, most, 0]),
        "nms_zero": np.float32(0),
        "nms_shape": np.int64([1, most, 6]),
        "nms_front": np.int64([0]),
        "nms_axis1": np.int64([1]),
    }
    different = sorted(set(np.float32(ious)))
    for i, iou in enumerate(different):
        mine = (np.float32(ious) == iou).astype(np.float32)
        tensors |= {f"nms_iou_{i}": np.float32([iou]), f"nms_mine_{i}": mine[None, :, None]}
    if offsets:
        tensors |= {"nms_grid": points[None, :, :2], "nms_stride": points[None, :, 2:]}
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in tensors.items()
    )
    node = helper.make_node
    names = ["nms_xy", "nms_wh"] if offsets else ["nms_centre", "nms_size"]
    graph.node.append(
        node("Split", ["output", "nms_split"], [*names, "nms_object", "nms_classes"], axis=2)
    )
    if offsets:
        graph.node.extend(
            [
                node("Add", ["nms_xy", "nms_grid"], ["nms_cells"]),
                node("Mul", ["nms_cells", "nms_stride"], ["nms_centre"]),
                node("Exp", ["nms_wh"], ["nms_grown"]),
                node("Mul", ["nms_grown", "nms_stride"], ["nms_size"]),
            ]
        )
    graph.node.extend(
        [
            node("Mul", ["nms_size", "nms_half"], ["nms_reach"]),
            node("Sub", ["nms_centre", "nms_reach"], ["nms_low"]),
            node("Add", ["nms_centre", "nms_reach"], ["nms_high"]),
            node("Concat", ["nms_low", "nms_high"], ["nms_boxes"], axis=2),
            node("Mul", ["nms_object", "nms_classes"], ["nms_scores"]),
            # Each point keeps only its best class.
            node("ReduceMax", ["nms_scores"], ["nms_best"], axes=[2], keepdims=1),
            node("Equal", ["nms_scores", "nms_best"], ["nms_is_best"]),
            node("Cast", ["nms_is_best"], ["nms_mask"], to=TensorProto.FLOAT),
            node("Mul", ["nms_scores", "nms_mask"], ["nms_alone"]),
            node("Transpose", ["nms_alone"], ["nms_by_class"], perm=[0, 2, 1]),
        ]
    )
    for i in range(len(different)):
        scores, limits = f"nms_by_class_{i}", ["nms_most", f"nms_iou_{i}", "nms_floor"]
        graph.node.append(node("Mul", ["nms_by_class", f"nms_mine_{i}"], [scores]))
        graph.node.append(
            node("NonMaxSuppression", ["nms_boxes", scores, *limits], [f"nms_kept_{i}"])
        )
    graph.node.extend(
        [
            node("Concat", [f"nms_kept_{i}" for i in range(len(different))], ["nms_kept"], axis=0),
            node("Gather", ["nms_kept", "nms_axis1"], ["nms_class_column"], axis=1),
            node("Gather", ["nms_kept", "nms_column"], ["nms_point_column"], axis=1),
            node("Squeeze", ["nms_point_column", "nms_axis1"], ["nms_point"]),
            node("Squeeze", ["nms_boxes", "nms_front"], ["nms_boxes_flat"]),
            node("Gather", ["nms_boxes_flat", "nms_point"], ["nms_kept_boxes"], axis=0),
            node("Squeeze", ["nms_best", "nms_front"], ["nms_best_flat"]),
            node("Gather", ["nms_best_flat", "nms_point"], ["nms_kept_scores"], axis=0),
            node("Cast", ["nms_class_column"], ["nms_kept_classes"], to=TensorProto.FLOAT),
            node(
                "Concat",
                ["nms_kept_boxes", "nms_kept_scores", "nms_kept_classes"],
                ["nms_rows"],
                axis=1,
            ),
            # Padded with zeros, so that there are always `most` rows to take.
            node("Pad", ["nms_rows", "nms_pads", "nms_zero"], ["nms_padded"]),
            node("Gather", ["nms_padded", "nms_score_index"], ["nms_score_column"], axis=1),
            node("Squeeze", ["nms_score_column", "nms_axis1"], ["nms_score_flat"]),
            node("TopK", ["nms_score_flat", "nms_most"], ["nms_top_scores", "nms_top"], axis=0),
            node("Gather", ["nms_padded", "nms_top"], ["nms_ordered"], axis=0),
            node("Reshape", ["nms_ordered", "nms_shape"], ["detections"]),
        ]
    )
    graph.initializer.append(numpy_helper.from_array(np.int64([4]), "nms_score_index"))
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info("detections", TensorProto.FLOAT, [1, most, 6])
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(target))


def points_classes(graph) -> int:
    """Number of classes, from the output's shape."""
    return graph.output[0].type.tensor_type.shape.dim[2].dim_value - 5
