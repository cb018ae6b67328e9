"""The crop around a box, as the product cuts it, and crops made worse for training.

The crop is a square of side `max(w, h) * (1 + 2 * CONTEXT)` pixels around the box's centre; what
lies outside the picture is PAD. It is then stretched to SIZE x SIZE, bilinear, half-pixel centres,
without antialiasing, as every picture of the product is.
"""

from __future__ import annotations

import cv2
import numpy as np

SIZE = 224
CONTEXT = 0.2
PAD = 114
# Normalisation of the published weights, for pixels 0..255, RGB.
SCALE = 1.0
MEAN = (127.0, 127.0, 127.0)
STD = (128.0, 128.0, 128.0)


def square(box, context: float = CONTEXT) -> tuple[int, int, int]:
    """Left, top and side of the crop in whole pixels; halves round upwards."""
    x1, y1, x2, y2 = (float(v) for v in box)
    side = max(2, int(np.floor(max(x2 - x1, y2 - y1) * (1 + 2 * context) + 0.5)))
    left = int(np.floor((x1 + x2) / 2 - side / 2 + 0.5))
    top = int(np.floor((y1 + y2) / 2 - side / 2 + 0.5))
    return left, top, side


def cut(picture: np.ndarray, box, context: float = CONTEXT) -> np.ndarray:
    """[h, w, 3] uint8 -> [side, side, 3] uint8."""
    left, top, side = square(box, context)
    height, width = picture.shape[:2]
    out = np.full((side, side, 3), PAD, dtype=np.uint8)
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + side, width), min(top + side, height)
    if x2 > x1 and y2 > y1:
        out[y1 - top : y2 - top, x1 - left : x2 - left] = picture[y1:y2, x1:x2]
    return out


def stretch(crop: np.ndarray) -> np.ndarray:
    """To the network's input, [SIZE, SIZE, 3] uint8."""
    return cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


def normalised(crops: np.ndarray) -> np.ndarray:
    """[n, SIZE, SIZE, 3] uint8 RGB -> [n, 3, SIZE, SIZE] float32."""
    scaled = (crops.astype(np.float32) * np.float32(SCALE) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def jittered(box, rng: np.random.Generator, lowest: float = 0.5) -> list[float]:
    """A box as a detector draws it: moved and scaled, at an overlap of at least `lowest`."""
    x1, y1, x2, y2 = (float(v) for v in box)
    w, h = x2 - x1, y2 - y1
    for _ in range(20):
        a, b, c, d = rng.normal(0.0, 0.12, size=4)
        new = [x1 + a * w, y1 + b * h, x2 + c * w, y2 + d * h]
        nw, nh = new[2] - new[0], new[3] - new[1]
        if nw <= 1 or nh <= 1:
            continue
        iw = min(x2, new[2]) - max(x1, new[0])
        ih = min(y2, new[3]) - max(y1, new[1])
        if iw > 0 and ih > 0 and iw * ih / (w * h + nw * nh - iw * ih) >= lowest:
            return new
    return [x1, y1, x2, y2]


def worse(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The crop as a camera may give it: small, blurred, compressed, dark, grey; [SIZE, SIZE, 3]."""
    side = crop.shape[0]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.5:  # the thing as 14 to 90 pixels of a camera's picture
        small = int(np.exp(rng.uniform(np.log(20), np.log(126))))
        if small < side:
            crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.15:
        crop = cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.5, 1.5)))
    crop = crop.astype(np.float32)
    if rng.random() < 0.6:
        crop = 255 * (crop / 255) ** float(np.exp(rng.normal(0, 0.3)))
        crop = (crop - 114) * float(np.exp(rng.normal(0, 0.2))) + 114 + float(rng.normal(0, 15))
    if rng.random() < 0.25:
        crop *= np.exp(rng.normal(0, 0.12, size=3)).astype(np.float32)
    if rng.random() < 0.1:
        crop = np.repeat(crop.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.25:
        crop += rng.normal(0, float(rng.uniform(1, 8)), size=crop.shape).astype(np.float32)
    crop = np.ascontiguousarray(np.clip(crop, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        quality = int(rng.uniform(35, 90))
        crop = cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
    return stretch(crop)
