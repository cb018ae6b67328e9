"""A small world of boxes, crowns and ground patches, seen by a fixed camera on a mast.

Metres: x right, y away from the mast, z up. An object is rendered once into a layer (depth,
position, normal, albedo by day and in infrared). Layers are combined by depth, so a change costs
only its own part of the picture.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

GROUND = np.array([0.0, 0.0, 1.0], np.float32)


class Noise:
    """Tileable noise indexed by position, so that a texture stays in place."""

    def __init__(self, rng):
        fine = rng.random((512, 512), np.float32)
        self.fine = fine
        self.soft = self._blur(fine, 3)
        self.broad = self._blur(fine, 24)

    @staticmethod
    def _blur(a, s):
        k = np.tile(a, (2, 2))
        k = cv2.GaussianBlur(k, (0, 0), s)[256:768, 256:768]
        return ((k - k.mean()) / (k.std() + 1e-6)).astype(np.float32)

    def at(self, which, u, v, per_metre):
        a = getattr(self, which)
        return a[(v * per_metre).astype(np.int64) % 512, (u * per_metre).astype(np.int64) % 512]


# Albedo by day (linear R, G, B), in infrared, and the strength of its texture.
MATERIALS = {
    "asphalt": ((0.16, 0.16, 0.17), 0.20, 0.10),
    "concrete": ((0.42, 0.41, 0.39), 0.42, 0.08),
    "grass": ((0.10, 0.19, 0.05), 0.55, 0.25),
    "field": ((0.20, 0.22, 0.09), 0.45, 0.22),
    "earth": ((0.34, 0.23, 0.14), 0.38, 0.22),
    "pit": ((0.15, 0.10, 0.06), 0.18, 0.30),
    "plaster": ((0.55, 0.52, 0.45), 0.55, 0.05),
    "plaster2": ((0.50, 0.38, 0.30), 0.48, 0.06),
    "roof": ((0.30, 0.30, 0.31), 0.32, 0.12),
    "brick": ((0.36, 0.14, 0.09), 0.30, 0.30),
    "steel_blue": ((0.06, 0.16, 0.38), 0.35, 0.10),
    "steel_grey": ((0.34, 0.36, 0.38), 0.40, 0.10),
    "wood": ((0.38, 0.26, 0.14), 0.45, 0.20),
    "glass": ((0.08, 0.11, 0.13), 0.10, 0.06),
    "white": ((0.78, 0.78, 0.76), 0.75, 0.03),
    "net": ((0.10, 0.28, 0.16), 0.40, 0.25),
    "sign": ((0.75, 0.10, 0.06), 0.50, 0.10),
    "poster": ((0.80, 0.74, 0.40), 0.65, 0.25),
    "crown": ((0.08, 0.15, 0.04), 0.60, 0.55),
    "bark": ((0.16, 0.13, 0.10), 0.25, 0.40),
}


@dataclass
class Box:
    """An axis-aligned box. `paint` overrides the material's colour. `pattern`: see World._paint."""

    lo: tuple
    hi: tuple
    material: str
    pattern: str = ""
    paint: tuple | None = None


@dataclass
class Crown:
    """A tree's leaves: an ellipsoid with holes, which grow in number as the leaves fall."""

    centre: tuple
    radii: tuple
    material: str = "crown"


@dataclass
class Patch:
    """A flat rectangle or ellipse on the ground. `ragged`: how far its rim wanders, in metres."""

    lo: tuple
    hi: tuple
    material: str
    pattern: str = ""
    ragged: float = 0.0
    round: bool = False


@dataclass
class Layer:
    """A rectangle of the picture. `depth` is infinite where the objects are not visible."""

    x: int
    y: int
    depth: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    albedo: np.ndarray
    ir: np.ndarray
    leaf: np.ndarray
    objects: list = field(default_factory=list)


class Camera:
    def __init__(self, width, height, mast, pitch_deg, heading_deg, fov_deg):
        self.size = (width, height)
        self.eye = np.array([0, 0, mast], np.float32)
        f = 0.5 * width / np.tan(np.radians(fov_deg) / 2)
        u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        local = np.stack([(u - width / 2) / f, -(v - height / 2) / f, np.ones_like(u)], -1)
        p, h = np.radians(pitch_deg), np.radians(heading_deg)
        right = np.array([np.cos(h), -np.sin(h), 0])
        ahead = np.array([np.sin(h) * np.cos(p), np.cos(h) * np.cos(p), -np.sin(p)])
        up = np.cross(right, ahead)
        self.axes, self.f = (right, up, ahead), f
        rays = local[..., :1] * right + local[..., 1:2] * up + local[..., 2:] * ahead
        self.rays = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)

    def project(self, points):
        """World points [N, 3] to pixels [N, 2]."""
        d = np.asarray(points, float) - self.eye
        x, y, z = (d @ np.asarray(a) for a in self.axes)
        z = np.maximum(z, 0.1)
        w, h = self.size
        return np.stack([w / 2 + self.f * x / z, h / 2 - self.f * y / z], -1)

    def window(self, points, margin=6):
        """The rectangle of the picture around the points, or None if they are outside."""
        p = self.project(points)
        w, h = self.size
        x0, y0 = np.floor(p.min(0)).astype(int) - margin
        x1, y1 = np.ceil(p.max(0)).astype(int) + margin
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, w), min(y1, h)
        return (x0, y0, x1, y1) if x1 - x0 > 2 and y1 - y0 > 2 else None


def corners(item):
    if isinstance(item, Crown):
        c, r = np.array(item.centre), np.array(item.radii)
        lo, hi = c - r, c + r
    elif isinstance(item, Patch):
        lo, hi = np.array([*item.lo, 0.0]), np.array([*item.hi, 0.1])
    else:
        lo, hi = np.array(item.lo), np.array(item.hi)
    return np.array(
        [
            [(lo, hi)[i][0], (lo, hi)[j][1], (lo, hi)[k][2]]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
    )


def slab(origin, rays, lo, hi):
    """Distances at which rays enter and leave a box, and the axis of the entry."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (np.asarray(lo, np.float32) - origin) / rays
        b = (np.asarray(hi, np.float32) - origin) / rays
    near, far = np.minimum(a, b), np.maximum(a, b)
    axis = near.argmax(-1)
    return near.max(-1), far.min(-1), axis


def ellipsoid(origin, rays, centre, radii):
    o = (origin - np.asarray(centre, np.float32)) / np.asarray(radii, np.float32)
    d = rays / np.asarray(radii, np.float32)
    a, b, c = (d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1
    disc = b * b - a * c
    t = (-b - np.sqrt(np.maximum(disc, 0))) / a
    return np.where((disc > 0) & (t > 0), t, np.inf).astype(np.float32)


class World:
    def __init__(self, camera, rng):
        self.camera, self.noise, self.rng = camera, Noise(rng), rng

    def ground(self, patches):
        w, h = self.camera.size
        return self.layer([Patch((-4000, -4000), (4000, 4000), "grass"), *patches], (0, 0, w, h))

    def layer(self, objects, window=None):
        """Renders objects into one layer, or None if they are outside the picture."""
        window = window or self.camera.window(np.concatenate([corners(t) for t in objects]))
        if window is None:
            return None
        x0, y0, x1, y1 = window
        rays, eye = self.camera.rays[y0:y1, x0:x1], self.camera.eye
        shape = rays.shape[:2]
        out = Layer(
            x0,
            y0,
            np.full(shape, np.inf, np.float32),
            np.zeros((*shape, 3), np.float32),
            np.zeros((*shape, 3), np.float32),
            np.zeros((*shape, 3), np.float32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
            list(objects),
        )
        for item in objects:
            self._draw(out, item, eye, rays)
        return out

    def _draw(self, out, item, eye, rays):
        if isinstance(item, Patch):
            with np.errstate(divide="ignore", invalid="ignore"):
                t = np.where(rays[..., 2] < -1e-4, -eye[2] / rays[..., 2], np.inf).astype(
                    np.float32
                )
            p = eye + rays * np.where(np.isfinite(t), t, 0)[..., None]
            x, y = p[..., 0], p[..., 1]
            (xa, ya), (xb, yb) = item.lo, item.hi
            rim = item.ragged * self.noise.at("broad", x, y, 6.0) if item.ragged else 0.0
            if item.round:
                r = np.hypot(
                    (x - (xa + xb) / 2) / ((xb - xa) / 2), (y - (ya + yb) / 2) / ((yb - ya) / 2)
                )
                inside = r + rim * 0.1 < 1
            else:
                inside = (x + rim > xa) & (x + rim < xb) & (y + rim > ya) & (y + rim < yb)
            # A later patch covers an earlier one.
            hit = inside & np.isfinite(t) & (t <= out.depth * 1.0001)
            normal = np.broadcast_to(GROUND, p.shape)
            u, v = x, y
        elif isinstance(item, Crown):
            t = ellipsoid(eye, rays, item.centre, item.radii)
            hit = t < out.depth
            p = eye + rays * np.where(np.isfinite(t), t, 0)[..., None]
            normal = (p - np.asarray(item.centre, np.float32)) / np.asarray(
                item.radii, np.float32
            ) ** 2
            normal = normal / (np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6)
            u, v = p[..., 0] + p[..., 1], p[..., 2]
        else:
            t, far, axis = slab(eye, rays, item.lo, item.hi)
            hit = (t < far) & (t > 0) & (t < out.depth)
            p = eye + rays * np.where(np.isfinite(t), t, 0)[..., None]
            normal = np.zeros_like(p)
            np.put_along_axis(normal, axis[..., None], 1.0, -1)
            normal = normal * -np.sign(rays)
            top = axis == 2
            u = np.where(top | (axis == 1), p[..., 0], p[..., 1])
            v = np.where(top, p[..., 1], p[..., 2])
        albedo, ir, gap = self._paint(item, u, v, normal)
        hit = hit & ~gap
        out.depth[hit] = t[hit]
        out.position[hit], out.normal[hit] = p[hit], normal[hit]
        out.albedo[hit], out.ir[hit] = albedo[hit], ir[hit]
        out.leaf[hit] = 1.0 if isinstance(item, Crown) else 0.0

    def _paint(self, item, u, v, normal):
        colour, ir, rough = MATERIALS[item.material]
        if getattr(item, "paint", None):
            colour, ir = item.paint, float(np.mean(item.paint))
        n = self.noise
        grain = 1 + rough * (0.5 * n.at("soft", u, v, 18.0) + 0.6 * n.at("broad", u, v, 9.0))
        grain = np.clip(grain, 0.25, 1.9)
        gap = np.zeros(u.shape, bool)
        mark = np.ones(u.shape, np.float32)
        side = normal[..., 2] < 0.5
        pattern = item.pattern if hasattr(item, "pattern") else ""
        lo = np.array(corners(item).min(0))
        a, b = u - lo[0], v - (lo[2] if not isinstance(item, Patch) else lo[1])
        if pattern == "windows":
            pane = (
                (np.mod(u, 3.2) > 1.0)
                & (np.mod(u, 3.2) < 2.6)
                & (np.mod(b, 3.1) > 1.0)
                & (np.mod(b, 3.1) < 2.5)
            )
            mark = np.where(side & pane, 0.22 + 0.10 * n.at("broad", u, v, 1.0).clip(-1, 2), mark)
            mark = np.where(~side, 0.62, mark)
        elif pattern == "bars":
            gap = side & (np.mod(u, 1.6) > 0.35) & (np.mod(b, 1.8) > 0.35)
        elif pattern == "ribs":
            mark = np.where(np.mod(u, 0.9) < 0.25, 0.7, 1.0)
        elif pattern == "letters":
            ink = n.at("fine", np.floor(a * 2.2), np.floor(b * 2.2), 1.0) > 0.55
            mark = np.where(ink & (np.mod(b, 1.2) > 0.3), 0.25, 1.0)
        elif pattern == "rows":
            mark = np.where(np.mod(u, 1.8) < 0.7, 0.6, 1.0)
        elif pattern == "lane":
            middle = np.abs(a - (corners(item).max(0)[0] - lo[0]) / 2) < 0.15
            mark = np.where(middle & (np.mod(v, 6) < 3), 3.2, 1.0)
        elif pattern == "brickwork":
            joint = (np.mod(b, 0.5) < 0.08) | (np.mod(u + 0.5 * np.floor(b / 0.5), 1.0) < 0.08)
            mark = np.where(joint, 1.5, 1.0)
        shade = (grain * mark)[..., None]
        return (
            np.clip(np.array(colour, np.float32) * shade, 0.01, 0.95),
            np.clip(ir * grain * mark, 0.01, 0.95),
            gap,
        )
