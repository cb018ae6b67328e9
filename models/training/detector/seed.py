"""Loads the pretrained seed (YOLOX-nano as ONNX, COCO's 80 classes) into the native network.

The seed's convolutions appear in the ONNX graph in the order in which they run, and
`network.py` declares its modules in that order, so weights are matched by position and
checked by shape.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from .network import YoloxNano

COCO_CLASSES = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant "
    "stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe "
    "backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat "
    "baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl "
    "banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch potted_plant "
    "bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink "
    "refrigerator book clock vase scissors teddy_bear hair_drier toothbrush"
).split()


def read_convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight, bias) of every convolution of an ONNX file, in execution order."""
    graph = onnx.load(str(path)).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    return [
        (tensors[node.input[1]], tensors[node.input[2]])
        for node in graph.node
        if node.op_type == "Conv"
    ]


def load_teacher(path: Path) -> YoloxNano:
    """The seed itself, 80 classes, in evaluation mode and without gradients."""
    network = YoloxNano(len(COCO_CLASSES))
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    stored = read_convolutions(path)
    if len(stored) != len(convolutions):
        raise ValueError(
            f"{path}: {len(stored)} convolutions, the network has {len(convolutions)}; "
            "use the ONNX export of YOLOX-nano"
        )
    for index, (module, (weight, bias)) in enumerate(zip(convolutions, stored)):
        if module.weight.shape != weight.shape:
            raise ValueError(
                f"{path}: convolution {index} has shape {weight.shape}, "
                f"expected {tuple(module.weight.shape)}; use the ONNX export of YOLOX-nano"
            )
        module.weight.data = torch.from_numpy(weight.copy())
        module.bias.data = torch.from_numpy(bias.copy())
    return network.eval().requires_grad_(False)


def start_from_seed(path: Path, class_names: list[str], relatives: dict[str, list[str]]) -> YoloxNano:
    """A network for `class_names`, initialised from the seed.

    A class that COCO has keeps the seed's class channel. A new class starts from the mean of
    its `relatives` (COCO names) with the bias lowered by 2, or, without any, from small
    weights and a bias of -4.6 (a prior of 1 %).
    """
    teacher = load_teacher(path)
    network = YoloxNano(len(class_names))
    own = network.state_dict()
    for name, value in teacher.state_dict().items():
        if "class_logits" not in name:
            own[name] = value.clone()
    generator = torch.Generator().manual_seed(1)
    for level in range(3):
        weight = teacher.heads[level].class_logits.weight
        bias = teacher.heads[level].class_logits.bias
        new_weight = torch.randn(len(class_names), *weight.shape[1:], generator=generator) * 0.01
        new_bias = torch.full((len(class_names),), -4.6)
        for row, name in enumerate(class_names):
            known = [name] if name in COCO_CLASSES else relatives.get(name, [])
            if known:
                channels = [COCO_CLASSES.index(k) for k in known]
                new_weight[row] = weight[channels].mean(dim=0)
                new_bias[row] = bias[channels].mean() - (0.0 if name in COCO_CLASSES else 2.0)
        own[f"heads.{level}.class_logits.weight"] = new_weight
        own[f"heads.{level}.class_logits.bias"] = new_bias
    network.load_state_dict(own)
    return network


def start_from_model(folder: Path, seed: Path, class_names: list[str], relatives: dict[str, list[str]]) -> YoloxNano:
    """A network for `class_names` from a model folder that `export.py` wrote (model.toml + model.onnx).

    Weights are matched by name; class channels by class name. Classes that the model lacks start as in
    `start_from_seed`.
    """
    manifest = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    path = folder / manifest["file"]
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}
    network = start_from_seed(seed, class_names, relatives)
    own = network.state_dict()
    before = [c["name"] for c in manifest["classes"]]
    shared = [(class_names.index(name), row) for row, name in enumerate(before) if name in class_names]
    for name, value in own.items():
        if name not in tensors:
            raise ValueError(f"{path}: no weights {name!r}; only models exported by export.py can be continued")
        stored = torch.from_numpy(tensors[name].copy())
        if "class_logits" not in name:
            own[name] = stored
            continue
        for new, old in shared:
            value[new] = stored[old]
    network.load_state_dict(own)
    return network


def towards_seed(network: YoloxNano, seed: Path, class_names: list[str], share: float) -> YoloxNano:
    """A network between a trained one (share 0) and the seed (share 1): the mean of their weights.

    What training on few sources cost in other places, weights on the way back regain, at little loss on those
    sources (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). Class channels that the seed lacks
    stay as they are.
    """
    start = start_from_seed(seed, class_names, {}).state_dict()
    known = [row for row, name in enumerate(class_names) if name in COCO_CLASSES]
    state = network.state_dict()
    for key, trained in state.items():
        mean = torch.lerp(trained, start[key], share)
        if "class_logits" in key:
            mixed = trained.clone()
            mixed[known] = mean[known]
            mean = mixed
        state[key] = mean
    out = YoloxNano(len(class_names))
    out.load_state_dict(state)
    return out.eval()
