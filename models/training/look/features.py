"""Crops -> what the frozen part of the trunk says of them.

ONNX Runtime runs the frozen part, which is several times faster here than PyTorch. The features
are kept as float16, so that the last blocks can be trained on them in minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

from detector.dataset import shared_data

from . import crops
from .examples import Place, training_places
from .network import Trunk, load_published

SPLIT = 14  # blocks that stay frozen; the last two blocks and the last convolution can be trained


class Lower(torch.nn.Module):
    def __init__(self, trunk: Trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.trunk.lower(images, SPLIT)


class Frozen:
    """The frozen part of the trunk with the published weights, in ONNX Runtime on one thread."""

    def __init__(self):
        trunk = Trunk().eval()
        load_published(trunk)
        file = io.BytesIO()
        torch.onnx.export(
            Lower(trunk),
            (torch.zeros(1, 3, crops.SIZE, crops.SIZE),),
            file,
            input_names=["images"],
            output_names=["features"],
            dynamic_axes={"images": {0: "n"}, "features": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            file.getvalue(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pictures: list[np.ndarray]) -> np.ndarray:
        """[SIZE, SIZE, 3] uint8 RGB each -> [n, channels, h, w] float16."""
        parts = []
        for first in range(0, len(pictures), 16):
            batch = crops.normalised(np.stack(pictures[first : first + 16]))
            parts.append(self.session.run(None, {"images": batch})[0].astype(np.float16))
        return np.concatenate(parts)


class Store:
    """Features in a folder, by key; a chunk is two files. What is there is not made again."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.at: dict[str, tuple[int, int]] = {}
        self.chunks: list[np.ndarray] = []
        for path in sorted(folder.glob("*.json")):
            for row, key in enumerate(json.loads(path.read_text(encoding="utf-8"))):
                self.at[key] = (len(self.chunks), row)
            self.chunks.append(np.load(path.with_suffix(".npy"), mmap_mode="r"))

    def add(self, keys: list[str], features: np.ndarray) -> None:
        path = self.folder / f"{len(self.chunks):04}"
        np.save(path.with_suffix(".npy"), features)
        path.with_suffix(".json").write_text(json.dumps(keys), encoding="utf-8")
        self.at |= {key: (len(self.chunks), row) for row, key in enumerate(keys)}
        self.chunks.append(np.load(path.with_suffix(".npy"), mmap_mode="r"))

    def __getitem__(self, key: str) -> np.ndarray:
        chunk, row = self.at[key]
        return self.chunks[chunk][row]


def variant_crop(picture: np.ndarray, place: Place, variant: int) -> np.ndarray:
    """Variant 0 is the box as it is; the others are moved and made worse, each always alike."""
    if variant == 0:
        return crops.stretch(crops.cut(picture, place.boxes[0]))
    rng = np.random.default_rng([variant, zlib.crc32(place.key.encode())])
    box = place.boxes[variant % len(place.boxes)]
    if box is place.boxes[0] or variant > 2:
        box = crops.jittered(box, rng)
    return crops.worse(crops.cut(picture, box), rng)


def fill(store: Store, places: list[Place], variants: range, chunk: int = 2000) -> None:
    """Makes the features that the store lacks."""
    frozen = Frozen()
    wanted: dict[str, list[tuple[str, Place, int]]] = {}
    for place in places:
        for variant in variants:
            key = f"{place.key} {variant}"
            if key not in store.at:
                wanted.setdefault(place.file, []).append((key, place, variant))
    keys, cut = [], []

    def write() -> None:
        if keys:
            store.add(list(keys), frozen(cut))
            print(f"{len(store.at)} crops", flush=True)
            keys.clear(), cut.clear()

    for file, rows in wanted.items():
        picture = cv2.imread(str(shared_data() / file), cv2.IMREAD_COLOR)[..., ::-1]
        for key, place, variant in rows:
            keys.append(key)
            cut.append(variant_crop(picture, place, variant))
        if len(keys) >= chunk:
            write()
    write()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--proposals", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    places, _ = training_places(args.proposals)
    store = Store(args.out)
    for variant in range(args.variants):
        some = [
            p
            for p in places
            if variant < (6 if p.kind == "ours" else 4 if p.kind == "label" else 2)
        ]
        fill(store, some, range(variant, variant + 1))


if __name__ == "__main__":
    main()
