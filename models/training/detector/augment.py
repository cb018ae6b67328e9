"""Turns pictures into training canvases.

A canvas is like the product's letterbox (grey 114 outside the picture), but with pictures placed at
random. They are mostly shrunk: the product sees from masts and drones, while most training pictures
are taken on the ground. Mosaics have up to sixteen. Colour, darkness, haze, rain, infrared, blur
and JPEG damage imitate cheap cameras, weather and nights.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from .classes import IGNORE
from .dataset import Sample
from .paste import Cutouts, ground, paste

PAD = 114
PASTE, PASTE_NADIR = 0.15, 0.5  # share of pictures with pasted cut-outs
SIDES_OF_MOSAICS = (0.55, 0.3, 0.15)  # 2x2, 3x3, 4x4: from a mast, objects are 10 to 60 pixels long
MIN_SIDE = 3.0  # pixels; a smaller box is ignored
MIN_VISIBLE = 0.35  # share of the area; a box cropped further is ignored


@dataclass
class Canvas:
    """One training input.

    picture [H, W, 3] uint8 BGR; boxes [n, 4] x1 y1 x2 y2 in pixels; labels [n]; regions [H, W]
    uint8: 0 where there is padding, k where picture k lies; known [k + 1, C], background [k + 1]
    and follow [k + 1]: row r for region r.
    """

    picture: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    regions: np.ndarray
    known: np.ndarray
    background: np.ndarray
    follow: np.ndarray


class CanvasSet(Dataset):
    """Endless random canvases over `samples`; item i depends on (seed, i) only."""

    def __init__(
        self,
        samples,
        weights,
        width,
        height,
        length,
        seed,
        mosaic=0.5,
        cutouts=None,
        drawn=0.0,
        paste_share=1.0,
    ):
        self.samples, self.weights = samples, weights
        self.width, self.height = width, height
        self.length, self.seed, self.mosaic = length, seed, mosaic
        self.cutouts, self.drawn, self.paste_share = cutouts or Cutouts([]), drawn, paste_share

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        rng = np.random.default_rng((self.seed, index))
        canvas = compose(self, rng)
        canvas.picture = distort(canvas.picture, rng)
        return canvas

    def draw(self, rng) -> Sample:
        """A picture. If there are cut-outs, a share `drawn` is drawn ground, and some pictures get
        cut-outs.
        """
        if self.cutouts and rng.random() < self.drawn:
            return turn(ground(len(self.samples[0].known), self.cutouts, rng), rng)
        sample = self.samples[rng.choice(len(self.samples), p=self.weights)]
        if self.cutouts and rng.random() < self.paste_share * (
            PASTE_NADIR if sample.nadir else PASTE
        ):
            metres = (
                rng.uniform(0.07, 0.12)
                if sample.nadir
                else np.exp(rng.uniform(np.log(0.03), np.log(0.2)))
            )
            sample = paste(
                sample, self.cutouts, rng, int(rng.integers(1, 5)), float(metres), sample.nadir
            )
        return turn(sample, rng)


def compose(source: CanvasSet, rng) -> Canvas:
    """One picture or a mosaic of 4 to 16 on a grey canvas."""
    width, height = source.width, source.height
    side = 1
    if rng.random() < source.mosaic:
        side = int(rng.choice([2, 3, 4], p=SIDES_OF_MOSAICS))
    across, down = cuts(width, side, rng), cuts(height, side, rng)
    tiles = [  # (sample, window x1 y1 x2 y2)
        (source.draw(rng), (x1, y1, x2, y2))
        for y1, y2 in itertools.pairwise(down)
        for x1, x2 in itertools.pairwise(across)
    ]
    classes = len(tiles[0][0].known)
    canvas = Canvas(
        picture=np.full((height, width, 3), PAD, dtype=np.uint8),
        boxes=np.zeros((0, 4), dtype=np.float32),
        labels=np.zeros(0, dtype=np.int64),
        regions=np.zeros((height, width), dtype=np.uint8),
        known=np.ones((1, classes), dtype=bool),
        background=np.ones(1, dtype=np.float32),
        follow=np.ones(1, dtype=np.float32),
    )
    for sample, window in tiles:
        place(canvas, sample, window, rng, mosaic=len(tiles) > 1)
    return canvas


def cuts(length: int, side: int, rng) -> list[int]:
    """Borders of a mosaic of `side` pictures along one direction: side + 1 ascending pixels."""
    step = length / side
    inner = [int(step * (k + rng.uniform(-0.3, 0.3))) for k in range(1, side)]
    return [0, *inner, length]


def place(canvas: Canvas, sample: Sample, window, rng, mosaic: bool) -> None:
    """Scales a picture and puts it into a window of the canvas, cropped to the window."""
    x1, y1, x2, y2 = window
    h, w = sample.picture.shape[:2]
    fit = min((x2 - x1) / w, (y2 - y1) / h)
    if mosaic:
        cover = max((x2 - x1) / w, (y2 - y1) / h)
        scale = rng.uniform(0.85 * fit, max(1.3 * fit, cover))
    elif rng.random() < 0.6:
        scale = fit * rng.uniform(0.85, 1.3)
    else:
        scale = fit * rng.uniform(0.4, 0.9)
    stretch = rng.uniform(0.9, 1.1)
    new_w, new_h = max(8, int(w * scale * stretch)), max(8, int(h * scale))
    method = cv2.INTER_AREA if scale < 0.6 and rng.random() < 0.5 else cv2.INTER_LINEAR
    resized = cv2.resize(sample.picture, (new_w, new_h), interpolation=method)
    left = x1 + int(rng.integers(min(0, x2 - x1 - new_w), max(0, x2 - x1 - new_w) + 1))
    top = y1 + int(rng.integers(min(0, y2 - y1 - new_h), max(0, y2 - y1 - new_h) + 1))
    if not mosaic and rng.random() < 0.5 and new_w <= x2 - x1 and new_h <= y2 - y1:
        left, top = x1, y1  # like the product's letterbox
    ax, ay = max(x1, left), max(y1, top)
    bx, by = min(x2, left + new_w), min(y2, top + new_h)
    canvas.picture[ay:by, ax:bx] = resized[ay - top : by - top, ax - left : bx - left]
    canvas.regions[ay:by, ax:bx] = len(canvas.known)
    canvas.known = np.concatenate([canvas.known, sample.known[None]])
    canvas.background = np.append(canvas.background, np.float32(sample.background))
    canvas.follow = np.append(canvas.follow, np.float32(sample.follow))

    boxes = sample.boxes * np.float32([new_w / w, new_h / h] * 2) + np.float32([left, top] * 2)
    labels = sample.labels.copy()
    clipped = boxes.copy()
    clipped[:, 0::2] = clipped[:, 0::2].clip(ax, bx)
    clipped[:, 1::2] = clipped[:, 1::2].clip(ay, by)
    size, whole = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    visible = size.prod(axis=1) / np.maximum(whole.prod(axis=1), 1e-6)
    labels[(visible < MIN_VISIBLE) | (size.min(axis=1, initial=1e9) < MIN_SIDE)] = IGNORE
    keep = size.min(axis=1, initial=1e9) > 0
    canvas.boxes = np.concatenate([canvas.boxes, clipped[keep]])
    canvas.labels = np.concatenate([canvas.labels, labels[keep]])


def turn(sample: Sample, rng) -> Sample:
    """Mirrors left-right. A picture from straight above may also be rotated by quarter turns."""
    picture, boxes = sample.picture, sample.boxes.copy()
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
        boxes[:, [0, 2]] = picture.shape[1] - boxes[:, [2, 0]]
    if sample.nadir:
        for _ in range(rng.integers(4)):  # a quarter turn: (x, y) -> (y, w - x)
            w = picture.shape[1]
            picture = np.rot90(picture)
            boxes = np.stack([boxes[:, 1], w - boxes[:, 2], boxes[:, 3], w - boxes[:, 0]], axis=1)
    return replace(sample, picture=np.ascontiguousarray(picture), boxes=boxes)


def distort(picture: np.ndarray, rng) -> np.ndarray:
    """Colour, light, blur, noise and JPEG damage. Same shape and type."""
    if rng.random() < 0.7:
        hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
        ramp = np.arange(256)
        hue = ((ramp + rng.uniform(-6, 6)) % 180).astype(np.uint8)
        saturation = np.clip(ramp * rng.uniform(0.5, 1.5), 0, 255).astype(np.uint8)
        value = np.clip(ramp * rng.uniform(0.65, 1.35), 0, 255).astype(np.uint8)
        channels = [
            cv2.LUT(c, t) for c, t in zip(cv2.split(hsv), (hue, saturation, value), strict=True)
        ]
        picture = cv2.cvtColor(cv2.merge(channels), cv2.COLOR_HSV2BGR)
    if rng.random() < 0.15:  # dusk and street lamps
        gamma, gain = rng.uniform(1.3, 2.4), rng.uniform(0.5, 0.95)
        tint = rng.uniform(0.8, 1.15, 3)
        ramp = 255 * gain * (np.arange(256) / 255) ** gamma
        table = np.clip(ramp[:, None] * tint, 0, 255).astype(np.uint8)[None]
        picture = cv2.LUT(picture, table)
        noise = rng.integers(-10, 11, picture.shape, dtype=np.int16)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.06:
        picture = infrared(picture, rng)
    if rng.random() < 0.08:
        haze = np.float32(rng.uniform(0.15, 0.5))
        picture = (picture * (1 - haze) + haze * np.float32(rng.uniform(150, 225))).astype(np.uint8)
    if rng.random() < 0.05:
        picture = rain(picture, rng)
    if rng.random() < 0.1:
        picture = cv2.GaussianBlur(picture, (3, 3), rng.uniform(0.5, 1.2))
    if rng.random() < 0.15:  # a low bit rate, which loses fine detail
        h, w = picture.shape[:2]
        part = rng.uniform(0.5, 0.9)
        small = cv2.resize(picture, (int(w * part), int(h * part)), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        quality = int(rng.integers(30, 90))
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return picture


def infrared(picture: np.ndarray, rng) -> np.ndarray:
    """Grey, bright in the middle and noisy, like a night camera with its own lamps."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    if rng.random() < 0.6:
        h, w = grey.shape
        y, x = np.ogrid[:h, :w]
        away = ((x / w - 0.5) ** 2 + (y / h - 0.5) ** 2).astype(np.float32)
        grey *= np.float32(rng.uniform(0.7, 1.2)) * (1 - np.float32(rng.uniform(0, 1.4)) * away)
        grey += rng.normal(0, rng.uniform(1, 8), grey.shape).astype(np.float32)
    return cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def rain(picture: np.ndarray, rng) -> np.ndarray:
    """Bright slanted streaks."""
    h, w = picture.shape[:2]
    layer = np.zeros((h, w), dtype=np.uint8)
    slant, length = int(rng.integers(-6, 7)), int(rng.integers(6, 20))
    for x, y in zip(rng.integers(0, w, 250), rng.integers(0, h, 250), strict=True):
        cv2.line(
            layer,
            (int(x), int(y)),
            (int(x) + slant, int(y) + length),
            int(rng.integers(40, 110)),
            1,
        )
    return cv2.add(picture, cv2.merge([layer] * 3))


def collate(canvases: list[Canvas]) -> dict:
    """Batch: pictures [B, 3, H, W] uint8; the rest as lists, because their lengths differ."""
    pictures = np.stack([c.picture for c in canvases])
    return {
        "pictures": torch.from_numpy(pictures).permute(0, 3, 1, 2),
        "boxes": [torch.from_numpy(c.boxes) for c in canvases],
        "labels": [torch.from_numpy(c.labels) for c in canvases],
        # The middle pixel of each 8-pixel cell decides which picture the cell belongs to.
        "regions": torch.from_numpy(np.stack([c.regions[4::8, 4::8] for c in canvases])),
        "known": [torch.from_numpy(c.known) for c in canvases],
        "background": [torch.from_numpy(c.background) for c in canvases],
        "follow": [torch.from_numpy(c.follow) for c in canvases],
    }
