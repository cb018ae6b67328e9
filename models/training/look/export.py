"""Network -> ONNX and manifest, with the equality check.

    python -m look.export --checkpoint runs/look/last.pt --out ../lintel-look [--version 0.1.0]

Weights are rounded to float16, which halves the file, and widened when the model is loaded. All
figures are of the rounded model. --judges (look.score writes it) says which classes judge, and with
which bounds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from detector.classes import load_classes
from detector.manifest import sha256_of

from . import crops
from .network import Look

TOLERANCE = 1e-3
LARGE = 256  # numbers from which a tensor is stored as float16
VERSION = "0.1.0"


def as_onnx(look: Look, path: Path) -> None:
    torch.onnx.export(
        look.eval(),
        (torch.zeros(1, 3, crops.SIZE, crops.SIZE),),
        str(path),
        input_names=["images"],
        output_names=["probabilities", "embedding"],
        dynamic_axes={name: {0: "n"} for name in ("images", "probabilities", "embedding")},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    pad_in_convolution(model.graph)
    narrow(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def pad_in_convolution(graph: onnx.GraphProto) -> None:
    """A convolution pads for itself; what else computed the padding goes."""
    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        pad = made_by.get(node.input[0]) if node.op_type == "Conv" else None
        if pad is None or pad.op_type != "Pad":
            continue
        values = {a.name: a for a in node.attribute}
        total = values["kernel_shape"].ints[0] - values["strides"].ints[0]
        before, after = total // 2, total - total // 2
        del values["pads"].ints[:]
        values["pads"].ints.extend([before, before, after, after])
        node.input[0] = pad.input[0]
    needed, kept = {o.name for o in graph.output}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    weights = [t for t in graph.initializer if t.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)


def round_weights(look: Look) -> None:
    with torch.no_grad():
        for weight in look.parameters():
            if weight.numel() >= LARGE:
                weight.copy_(weight.half().float())


def narrow(graph: onnx.GraphProto) -> None:
    """Large weights as float16, with a cast that ONNX Runtime computes once, at load."""
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LARGE:
            continue
        name = tensor.name
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def largest_difference(look: Look, path: Path, count: int = 8) -> float:
    """Between PyTorch and ONNX Runtime, in the probabilities of random crops."""
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (count, 7, 7, 3), dtype=np.uint8)
    x = crops.normalised(np.stack([crops.stretch(s) for s in smooth]))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ours = session.run(["probabilities"], {"images": x})[0]
    with torch.no_grad():
        theirs = look(torch.from_numpy(x))[0].numpy()
    return float(np.abs(ours - theirs).max())


def manifest(folder: Path, names: list[str], judges: dict, version: str) -> str:
    kinds = load_classes().kinds
    lines = [
        'name = "lintel-look"',
        f'version = "{version}"',
        'file = "model.onnx"',
        f'sha256 = "{sha256_of(folder / "model.onnx")}"',
        'licence = "Apache-2.0"',
        "",
        "[input]",
        f"width = {crops.SIZE}",
        f"height = {crops.SIZE}",
        'channels = "rgb"',
        f"scale = {crops.SCALE}",
        f"mean = {list(crops.MEAN)}",
        f"std = {list(crops.STD)}",
        'letterbox = "stretch"',
        f"pad = {crops.PAD}",
        "",
        "[head]",
        'kind = "classifier"',
        f"context = {crops.CONTEXT}",
        "",
        "[runtime]",
        "threads = 1",
    ]
    for name in names:
        lines += ["", "[[classes]]", f'name = "{name}"']
        if name in kinds:
            lines.append(f'kind = "{kinds[name]}"')
        if name in judges:
            bounds = judges[name]
            lines += ["judges = true", f"confirm = {bounds['confirm']}", f"deny = {bounds['deny']}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--temperature", type=Path, help="file of look.score (default: 1)")
    parser.add_argument("--judges", type=Path, help="file of look.score: class -> confirm, deny")
    parser.add_argument("--version", default=VERSION)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    look = Look(len(saved["classes"]))
    look.load_state_dict(saved["look"])
    round_weights(look)
    if args.temperature:
        text = args.temperature.read_text(encoding="utf-8")
        look.temperature.fill_(json.loads(text)["temperature"])
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        as_onnx(look, path)
        difference = largest_difference(look, path)
        if difference > TOLERANCE:
            raise SystemExit(f"ONNX Runtime differs from PyTorch by {difference:.1e}")
        (args.out / "model.onnx").write_bytes(path.read_bytes())
    judges = json.loads(args.judges.read_text(encoding="utf-8")) if args.judges else {}
    text = manifest(args.out, saved["classes"], judges, args.version)
    (args.out / "model.toml").write_text(text, encoding="utf-8")
    size = (args.out / "model.onnx").stat().st_size / 1e6
    print(f"{args.out}: {size:.1f} MB, differs from PyTorch by {difference:.1e} at most")


if __name__ == "__main__":
    main()
