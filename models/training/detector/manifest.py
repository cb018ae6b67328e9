"""Reads and writes `model.toml`, the manifest beside every model.

Fields: name, version, file, sha256 (of the model file), licence; [input] width, height, channels
("bgr" or "rgb"), scale, mean, std, letterbox ("top_left", "center", "stretch"), pad; [head] kind
("yolox", "yolov5", "yolov8", "detr", "end_to_end") and nms_iou; [runtime] threads; [[classes]]
name, kind where it has one ("person", "animal", "vehicle", "cycle", "machine", "garbage"),
threshold and, if it differs from the head's, nms_iou, in the order of the network's class channels.
`figures.py` adds `measured` to each class, `calibrate_scores.py` adds `confidence` to some.
"""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(
    folder: Path,
    *,
    name: str,
    version: str,
    input: dict,
    head: dict,
    classes: list[tuple[str, float]],
    nms_ious: dict[str, float] | None = None,
    kinds: dict[str, str] | None = None,
    threads: int = 1,
    file: str = "model.onnx",
    licence: str = "Apache-2.0",
) -> None:
    """Writes folder/model.toml for the model file in `folder`. `nms_ious`: of classes that differ
    from the head's. `kinds`: of classes that have one.
    """
    lines = [
        f"name = {_toml(name)}",
        f"version = {_toml(version)}",
        f"file = {_toml(file)}",
        f"sha256 = {_toml(sha256_of(folder / file))}",
        f"licence = {_toml(licence)}",
        "",
        "[input]",
        *(f"{key} = {_toml(value)}" for key, value in input.items()),
        "",
        "[head]",
        *(f"{key} = {_toml(value)}" for key, value in head.items()),
        "",
        "[runtime]",
        f"threads = {threads}",
    ]
    for label, threshold in classes:
        lines += ["", "[[classes]]", f"name = {_toml(label)}"]
        if kinds and label in kinds:
            lines.append(f"kind = {_toml(kinds[label])}")
        lines.append(f"threshold = {threshold:.2f}")
        if nms_ious and label in nms_ious:
            lines.append(f"nms_iou = {nms_ious[label]}")
    (folder / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return str(value)
