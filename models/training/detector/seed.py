"""Loads the pretrained seed (YOLOX-nano as ONNX, COCO's 80 classes) into the native network.

The convolutions of the ONNX graph are in the order in which they run, and so are the modules of
`network.py`. Weights are therefore matched by position and checked by shape.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from .network import YoloxNano, unfold_focus

COCO_CLASSES = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant "
    "stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe "
    "backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat "
    "baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon "
    "bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch "
    "potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave "
    "oven toaster sink refrigerator book clock vase scissors teddy_bear hair_drier toothbrush"
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
    for index, (module, (weight, bias)) in enumerate(zip(convolutions, stored, strict=True)):
        weight = unfold_focus(torch.from_numpy(weight.copy()))
        if module.weight.shape != weight.shape:
            raise ValueError(
                f"{path}: convolution {index} has shape {tuple(weight.shape)}, "
                f"expected {tuple(module.weight.shape)}; use the ONNX export of YOLOX-nano"
            )
        module.weight.data = weight
        module.bias.data = torch.from_numpy(bias.copy())
    return network.eval().requires_grad_(False)


def start_from_seed(path: Path, classes) -> YoloxNano:
    """A network for `classes` (a ClassList), initialised from the seed.

    The first heads are the seed's, with the channels of COCO's classes. The second heads start as a
    copy. A new class starts from the mean of its `relatives` (COCO names) with the bias lowered by
    2; without relatives, from small weights and a bias of -4.6 (a prior of 1 %).
    """
    teacher = load_teacher(path)
    channels = classes.seed_channels()[1]
    network = YoloxNano(classes.of_seed, classes.count - classes.of_seed)
    state, own = teacher.state_dict(), network.state_dict()
    generator = torch.Generator().manual_seed(1)
    for name in own:
        value = state[name.replace("own_heads", "heads")]
        if "class_logits" not in name:
            own[name] = value.clone()
        elif not name.startswith("own_heads"):
            own[name] = value[channels].clone()
        else:
            small = torch.randn(own[name].shape, generator=generator) * 0.01
            new = small if value.dim() > 1 else torch.full(own[name].shape, -4.6)
            for row, label in enumerate(classes.names[classes.of_seed :]):
                relatives = [COCO_CLASSES.index(k) for k in classes.relatives.get(label, [])]
                if relatives:
                    new[row] = value[relatives].mean(dim=0) - (2.0 if value.dim() == 1 else 0.0)
            own[name] = new
    network.load_state_dict(own)
    return network


def start_from_model(path: Path, seed: Path, classes, share: float = 0.0) -> YoloxNano:
    """A network for `classes` from a folder of `export.py` (model.toml + model.onnx) or a
    checkpoint (.pt).

    Weights are matched by name, class channels by class name. Missing classes start as in
    `start_from_seed`. A model with one set of heads initialises both sets. share: how far the trunk
    and the first heads start towards the seed (0: not at all).
    """
    if path.suffix == ".pt":
        stored = torch.load(path, weights_only=True)
        tensors, before = stored["average"], stored["classes"]
    else:
        manifest = tomllib.loads((path / "model.toml").read_text(encoding="utf-8"))
        graph = onnx.load(str(path / manifest["file"])).graph
        tensors = {
            t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer
        }
        before = [c["name"] for c in manifest["classes"]]
    two = any(name.startswith("own_heads") for name in tensors)
    network = start_from_seed(seed, classes)
    state = network.state_dict()
    for name, value in state.items():
        source = name if two else name.replace("own_heads", "heads")
        if source not in tensors:
            raise SystemExit(
                f"{path}: no weights {source!r}; only models exported by export.py can be continued"
            )
        own_heads, old = name.startswith("own_heads"), unfold_focus(tensors[source])
        if "class_logits" not in name:
            new = old.clone()
        else:
            here = (
                classes.names[classes.of_seed :] if own_heads else classes.names[: classes.of_seed]
            )
            there = [n for n in before if not two or (n in COCO_CLASSES) != own_heads]
            new = value.clone()
            for row, label in enumerate(here):
                if label in there:
                    new[row] = old[there.index(label)]
        state[name] = new if own_heads else torch.lerp(new, value, share)
    network.load_state_dict(state)
    return network


def towards_seed(network: YoloxNano, seed: Path, classes, share: float) -> YoloxNano:
    """A network between a trained one (share 0) and the seed (share 1): the mean of their weights.

    Training on few sources costs accuracy in other places. The mean regains it, at little loss on
    those sources (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). The heads of
    classes that the seed lacks are unchanged.
    """
    start, state = start_from_seed(seed, classes).state_dict(), network.state_dict()
    for key, trained in state.items():
        if not key.startswith("own_heads"):
            state[key] = torch.lerp(trained, start[key], share)
    out = YoloxNano(network.classes, network.own_classes)
    out.load_state_dict(state)
    return out.eval()
