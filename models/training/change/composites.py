"""Pairs of pictures with known changes, composed from pictures whose licence allows training.

A pair is one crop from straight above, twice. Each has its own light, season, sharpness, shadows,
vehicles and offset; none of that is change. One of the two also gets something that stays (a roof,
earth, a piece of other ground, a rendered shed or heap). That is the change, and its area is the
mask. Real pairs are not used here.
"""

from __future__ import annotations

import functools
import json
import tomllib
from pathlib import Path

import cv2
import numpy as np

SIDE = 256
# Rendered cut-outs that are a change, and those of vehicles, which are none.
STAYS = {
    "soil_pile",
    "brick_pile",
    "rebar",
    "colour_steel_shed",
    "awning",
    "tarpaulin",
    "pit",
    "scaffolding",
    "timber",
    "dust_net",
}


@functools.lru_cache(maxsize=1000)
def picture_of(path):
    """The stored channels: BGR, or BGRA for a cut-out."""
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


class Composer:
    """`pair(rng)` returns (before, after) as uint8 BGR [SIDE, SIDE, 3] and the mask as float32
    [SIDE, SIDE].
    """

    def __init__(self, data: Path, sources: Path, cutouts: Path | None):
        allowed = {
            s["name"]
            for s in tomllib.loads(sources.read_text())["source"]
            if s["decision"] == "train"
        }
        images = json.loads((data / "annotations_train.json").read_text())["images"]
        usable = [i for i in images if i["source"] in allowed]
        self.above = [data / i["file_name"] for i in usable if "nadir" in i["viewpoint"]]
        # Seen from the ground or obliquely: used as texture and sometimes as ground; every fifth is
        # plenty.
        self.other = [data / i["file_name"] for i in usable if "nadir" not in i["viewpoint"]][::5]
        self.cutouts = {True: [], False: []}
        if cutouts:
            for line in (cutouts / "cutouts.jsonl").read_text().splitlines():
                cutout = json.loads(line)
                if cutout["pitch"] > 50:
                    self.cutouts[cutout["class"] in STAYS].append(cutouts / cutout["file"])

    def pair(self, rng):
        base = self.crop(rng, SIDE + 16)
        before, after = base.astype(np.float32), base.astype(np.float32)
        mask = np.zeros(base.shape[:2], np.float32)
        for _ in range(rng.choice([0, 1, 2, 3, 5], p=[0.2, 0.25, 0.25, 0.2, 0.1])):
            self.put_something(before if rng.random() < 0.5 else after, mask, rng)
        for picture in (before, after):
            for _ in range(rng.integers(0, 5)):
                self.put_cutout(picture, False, rng)
        return (*(appearance(p, rng) for p in (before, after)), mask[8:-8, 8:-8])

    def crop(self, rng, side):
        """A piece of ground, rotated and scaled."""
        many = self.above if self.above and rng.random() < 0.75 else self.other
        picture = picture_of(many[rng.integers(len(many))])
        zoom = side / (min(picture.shape[:2]) * rng.uniform(0.25, 0.95))
        turn = cv2.getRotationMatrix2D(
            (picture.shape[1] / 2, picture.shape[0] / 2), rng.uniform(0, 360), zoom
        )
        free = np.array([picture.shape[1], picture.shape[0]]) * zoom
        turn[:, 2] += (
            side / 2
            - np.array([picture.shape[1], picture.shape[0]]) / 2
            + rng.uniform(-0.2, 0.2, 2) * (free - side).clip(0)
        )
        return cv2.warpAffine(
            picture, turn, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
        )

    def put_something(self, picture, mask, rng):
        kind = rng.random()
        if kind < 0.15 and self.cutouts[True]:
            self.put_cutout(picture, True, rng, mask)
            return
        side = picture.shape[0]
        shape = np.zeros((side, side), np.uint8)
        size, at = np.exp(rng.uniform(np.log(10), np.log(90))), rng.uniform(0, side, 2)
        if kind < 0.65:
            part = (size, size * rng.uniform(0.4, 1.0))
            corners = cv2.boxPoints(((at[0], at[1]), part, rng.uniform(0, 180)))
            cv2.fillPoly(shape, [np.int32(corners)], 1)
            if rng.random() < 0.3:
                more = cv2.boxPoints(
                    (
                        (at[0] + size / 3, at[1] + size / 3),
                        (part[1], part[0] / 2),
                        rng.uniform(0, 180),
                    )
                )
                cv2.fillPoly(shape, [np.int32(more)], 1)
            content = (
                roof(side, corners, rng)
                if rng.random() < 0.6
                else self.crop(rng, side).astype(np.float32)
            )
            if rng.random() < 0.7:
                shadow = cv2.warpAffine(
                    shape,
                    np.float32([[1, 0, rng.uniform(-9, 9)], [0, 1, rng.uniform(-9, 9)]]),
                    (side, side),
                )
                picture[(shadow > 0) & (shape == 0)] *= rng.uniform(0.35, 0.7)
        else:
            blob = (
                cloud(side, size / 2, rng)
                - 0.012 * np.hypot(*(np.indices((side, side)) - at[:, None, None])) * 40 / size
            )
            shape[blob > blob.max() - 0.45] = 1
            content = (
                earth(side, rng) if rng.random() < 0.5 else self.crop(rng, side).astype(np.float32)
            )
        soft = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), rng.uniform(0.3, 1.2))[..., None]
        picture[:] = picture * (1 - soft) + content * soft
        mask[shape > 0] = 1

    def put_cutout(self, picture, stays, rng, mask=None):
        if not self.cutouts[stays]:
            return
        piece = picture_of(self.cutouts[stays][rng.integers(len(self.cutouts[stays]))])
        size = rng.uniform(25, 90) if stays else rng.uniform(6, 30)
        by = size / max(piece.shape[:2])
        turn = cv2.getRotationMatrix2D(
            (piece.shape[1] / 2, piece.shape[0] / 2), rng.uniform(0, 360), by
        )
        turn[:, 2] += (
            rng.uniform(0, picture.shape[0], 2) - np.array([piece.shape[1], piece.shape[0]]) / 2
        )
        piece = cv2.warpAffine(piece, turn, picture.shape[1::-1], flags=cv2.INTER_AREA).astype(
            np.float32
        )
        cover = piece[..., 3:] / 255
        picture[:] = picture * (1 - cover) + piece[..., :3] * cover
        if mask is not None:
            mask[cover[..., 0] > 0.5] = 1


def cloud(side, grain, rng):
    """Smooth noise, 0 to 1."""
    small = rng.random((int(side / grain) + 2,) * 2).astype(np.float32)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


def roof(side, corners, rng):
    """A roof: even colour, ribs, and two differently lit sides."""
    colour = rng.uniform(40, 250) * (1 + rng.uniform(-0.35, 0.35, 3) * (rng.random() < 0.6))
    y, x = np.indices((side, side)).astype(np.float32)
    along = corners[1] - corners[0]
    along = along / (np.hypot(*along) + 1e-6)
    over = (x - corners[0][0]) * along[0] + (y - corners[0][1]) * along[1]
    light = 1 + rng.uniform(0, 0.12) * np.sign(np.sin(over * 2 * np.pi / rng.uniform(2, 12)))
    if rng.random() < 0.5:
        light *= np.where(
            over
            > over[
                int(corners[:, 1].mean().clip(0, side - 1)),
                int(corners[:, 0].mean().clip(0, side - 1)),
            ],
            1,
            rng.uniform(0.6, 0.95),
        )
    light *= 0.9 + 0.2 * cloud(side, rng.uniform(4, 40), rng)
    return light[..., None] * colour.astype(np.float32)


def earth(side, rng):
    colour = np.float32([rng.uniform(60, 150), rng.uniform(90, 180), rng.uniform(110, 220)])
    grain = 0.5 * cloud(side, rng.uniform(2, 4), rng) + 0.5 * cloud(side, rng.uniform(8, 30), rng)
    return colour * (0.6 + 0.8 * grain)[..., None]


def appearance(picture, rng):
    """Applies one day's light, season, sharpness and offset: [SIDE + 16] float -> [SIDE] uint8."""
    side = picture.shape[0]
    if rng.random() < 0.5:
        # Season and dryness change what is green.
        b, g, r = cv2.split(picture)
        green = np.clip((2 * g - r - b) / 60, 0, 1)[..., None]
        picture = (
            picture * (1 - green)
            + picture * (1 + rng.uniform(-0.35, 0.35, 3).astype(np.float32)) * green
        )
    for _ in range(rng.integers(0, 4)):
        # Shadows of trees and houses, which move with the hour.
        at, size = rng.uniform(0, side, 2), rng.uniform(4, 30)
        shade = np.zeros((side, side), np.float32)
        if rng.random() < 0.5:
            cv2.ellipse(
                shade,
                (tuple(map(float, at)), (size, size * rng.uniform(0.4, 1)), rng.uniform(0, 180)),
                1.0,
                -1,
            )
        else:
            cv2.fillPoly(
                shade,
                [
                    np.int32(
                        cv2.boxPoints(
                            (tuple(map(float, at)), (size * 2, size), rng.uniform(0, 180))
                        )
                    )
                ],
                1.0,
            )
        picture = picture * (
            1
            - rng.uniform(0.3, 0.65)
            * cv2.GaussianBlur(shade, (0, 0), rng.uniform(0.5, 2))[..., None]
        )
    gain = rng.uniform(0.65, 1.4) * (1 + rng.uniform(-0.15, 0.15, 3))
    light = 1 + rng.uniform(0, 0.25) * (cloud(side, side / 2, rng)[..., None] - 0.5)
    picture = 255 * (
        np.clip(picture * gain.astype(np.float32) * light / 255, 0, 1) ** rng.uniform(0.7, 1.4)
    ) + rng.uniform(-12, 25) * (rng.random() < 0.3)
    angle, grow = rng.normal(0, 0.3), 1 + rng.normal(0, 0.004)
    move = cv2.getRotationMatrix2D((side / 2, side / 2), angle, grow)
    move[:, 2] += rng.normal(0, 1.0, 2)
    picture = cv2.warpAffine(picture, move, (side, side), borderMode=cv2.BORDER_REFLECT)[8:-8, 8:-8]
    if rng.random() < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.5))
    if rng.random() < 0.2:
        small = rng.uniform(0.4, 0.8)
        picture = cv2.resize(
            cv2.resize(picture, None, fx=small, fy=small, interpolation=cv2.INTER_AREA),
            (SIDE, SIDE),
        )
    picture = np.clip(picture + rng.normal(0, rng.uniform(0, 5), picture.shape), 0, 255).astype(
        np.uint8
    )
    if rng.random() < 0.5:
        picture = cv2.imdecode(
            cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])[1],
            1,
        )
    return picture
