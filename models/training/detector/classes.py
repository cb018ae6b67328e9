"""The class list (`classes.toml`) and the table of data sources (`sources.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .seed import COCO_CLASSES

HERE = Path(__file__).resolve().parent.parent
IGNORE = -1  # label of a box that is neither positive nor negative


@dataclass(frozen=True)
class ClassList:
    """Class channels 0..C-1; generic labels follow as C..C+G-1."""

    names: list[str]
    relatives: dict[str, list[str]]
    synthetic: list[str]
    shipped: list[str]
    nms_ious: dict[str, float]
    kinds: dict[str, str]
    generics: list[dict]
    left_out: list[dict]

    @property
    def count(self) -> int:
        return len(self.names)

    def label_of(self, name: str) -> int | None:
        """The label of a data set's class name; None if it is not learned."""
        if name in self.names:
            return self.names.index(name)
        for index, generic in enumerate(self.generics):
            if generic["name"] == name:
                return self.count + index
        return None

    def known_from(self, labelled: list[str]) -> np.ndarray:
        """[C] bool: the classes whose absence is meaningful in a picture with these labelled
        classes.
        """
        known = {name for name in labelled if name in self.names}
        for generic in self.generics:
            if generic["name"] in labelled:
                known |= set(generic["complete"])
        return np.array([name in known for name in self.names])

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Class targets and their mask for each label, both [C + G, C] float32.

        A class label is one-hot. A generic label is 0 everywhere, and masked at the
        classes that it covers.
        """
        total = self.count + len(self.generics)
        target = np.zeros((total, self.count), dtype=np.float32)
        mask = np.ones((total, self.count), dtype=np.float32)
        target[: self.count] = np.eye(self.count, dtype=np.float32)
        for index, generic in enumerate(self.generics):
            for name in generic["covers"]:
                mask[self.count + index, self.names.index(name)] = 0.0
        return target, mask

    @property
    def of_seed(self) -> int:
        """Number of classes that the seed knows; they come first."""
        return len(self.seed_channels()[0])

    def head_of_label(self) -> np.ndarray:
        """[C + G] bool: labels that the seed's head learns. A generic label belongs to the head of
        the first class that it covers.
        """
        known = [name in COCO_CLASSES for name in self.names]
        return np.array(known + [g["covers"][0] in COCO_CLASSES for g in self.generics])

    def seed_channels(self) -> tuple[list[int], list[int]]:
        """(own channels, COCO channels) of the classes that the seed knows."""
        own = [i for i, name in enumerate(self.names) if name in COCO_CLASSES]
        return own, [COCO_CLASSES.index(self.names[i]) for i in own]


def load_classes(path: Path = HERE / "classes.toml") -> ClassList:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    known = [c["name"] in COCO_CLASSES for c in table["class"]]
    if known != sorted(known, reverse=True):
        raise SystemExit(f"{path}: list COCO's classes before all others; they share a head")
    return ClassList(
        names=[c["name"] for c in table["class"]],
        relatives={c["name"]: c.get("relatives", []) for c in table["class"]},
        synthetic=[c["name"] for c in table["class"] if c.get("synthetic")],
        shipped=[c["name"] for c in table["class"] if c.get("ship", True)],
        nms_ious={c["name"]: c["nms_iou"] for c in table["class"] if "nms_iou" in c},
        kinds={c["name"]: c["kind"] for c in table["class"] if "kind" in c},
        generics=table["generic"],
        left_out=table["left_out"],
    )


def load_sources(path: Path = HERE / "sources.toml") -> dict[str, dict]:
    """Source name -> its row."""
    return {s["name"]: s for s in tomllib.loads(path.read_text(encoding="utf-8"))["source"]}
