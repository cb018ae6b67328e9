"""Machines of building sites. Metres, +x forward."""

from __future__ import annotations

import math

import numpy as np
from shapes import Builder, paint
from vehicles import GLASS, cab, pick, wheels

PAINTS = [
    (0.65, 0.38, 0.02),
    (0.7, 0.45, 0.02),
    (0.6, 0.25, 0.02),
    (0.6, 0.5, 0.05),
    (0.45, 0.45, 0.4),
    (0.05, 0.3, 0.3),
]


def excavator(b: Builder) -> None:
    r = b.rng
    size = r.uniform(0.6, 1.15)
    body, dark, glass = (
        paint(pick(r, PAINTS), 0.5, speckle=0.15, scale=2),
        paint((0.03, 0.03, 0.03), 0.9),
        paint(GLASS, 0.1),
    )
    for side in (-1, 1):
        b.prism(
            [
                (x * size, z * size)
                for x, z in [
                    (-1.9, 0.2),
                    (-1.6, 0),
                    (1.6, 0),
                    (1.9, 0.2),
                    (1.9, 0.6),
                    (1.6, 0.85),
                    (-1.6, 0.85),
                    (-1.9, 0.6),
                ]
            ],
            side * 1.35 * size - 0.3 * size,
            side * 1.35 * size + 0.3 * size,
            dark,
        )
    b.box((0, 0, 0.7 * size), (1.6 * size, 2.2 * size, 0.4 * size), dark)
    turn = r.uniform(-math.pi, math.pi)
    turned_part = Builder(r)
    t = turned_part
    t.box((-0.6 * size, 0, 1.45 * size), (3.0 * size, 2.5 * size, 1.0 * size), body)
    t.box(
        (-1.9 * size, 0, 1.5 * size),
        (0.7 * size, 2.5 * size, 1.1 * size),
        paint((0.08, 0.08, 0.08), 0.7),
    )
    t.box((0.45 * size, 0.8 * size, 2.1 * size), (1.5 * size, 0.95 * size, 1.6 * size), glass)
    t.box((0.45 * size, 0.8 * size, 2.93 * size), (1.5 * size, 0.97 * size, 0.08 * size), body)
    reach, knee = r.uniform(3.2, 4.6) * size, r.uniform(2.6, 4.2) * size
    dig = (reach + r.uniform(1.0, 2.2) * size, knee - r.uniform(1.8, 3.4) * size)
    middle = (reach * 0.55, knee + 0.5 * size)
    for (x1, z1), (x2, z2), thick in [
        ((0.9 * size, 1.6 * size), middle, 0.55),
        (middle, (reach, knee), 0.5),
        ((reach, knee), dig, 0.4),
    ]:
        beam(t, (x1, z1), (x2, z2), thick * size, 0.5 * size, body)
    t.tube(
        (1.2 * size, 0, 1.7 * size),
        (middle[0] * 0.9, 0, middle[1] - 0.45 * size),
        0.09 * size,
        paint((0.5, 0.5, 0.5), 0.2, 0.8),
        8,
    )
    x, z = dig
    t.prism(
        [
            (x - 0.1 * size, z + 0.2 * size),
            (x + 0.2 * size, z - 0.2 * size),
            (x - 0.3 * size, z - 0.95 * size),
            (x - 0.95 * size, z - 0.8 * size),
            (x - 0.75 * size, z - 0.25 * size),
        ],
        -0.6 * size,
        0.6 * size,
        dark,
    )
    c, s = math.cos(turn), math.sin(turn)
    spun = [(c * x - s * y, s * x + c * y, max(z, 0.02)) for x, y, z in t.vertices]
    for slot, material in enumerate(t.materials):
        faces = [f for f, own in zip(t.faces, t.slots, strict=True) if own == slot]
        used = sorted({i for f in faces for i in f})
        index = {old: new for new, old in enumerate(used)}
        b.add([spun[i] for i in used], [tuple(index[i] for i in f) for f in faces], material)


def beam(b: Builder, start, end, thick: float, wide: float, material) -> None:
    """A straight arm in the plane y = 0 between two (x, z)."""
    (x1, z1), (x2, z2) = start, end
    along = math.hypot(x2 - x1, z2 - z1)
    b.box(
        ((x1 + x2) / 2, 0, (z1 + z2) / 2),
        (along + thick * 0.5, wide, thick),
        material,
        0.0,
        -math.atan2(z2 - z1, x2 - x1),
    )


def loader_dozer(b: Builder) -> None:
    r = b.rng
    body, dark, glass = (
        paint(pick(r, PAINTS), 0.5, speckle=0.1, scale=2),
        paint((0.03, 0.03, 0.03), 0.9),
        paint(GLASS, 0.1),
    )
    if r.random() < 0.25:  # a dozer
        for side in (-1, 1):
            b.prism(
                [(-1.7, 0.1), (1.7, 0.1), (1.9, 0.5), (1.5, 0.95), (-1.5, 0.95), (-1.9, 0.5)],
                side * 1.1 - 0.28,
                side * 1.1 + 0.28,
                dark,
            )
        b.box((0.5, 0, 1.3), (2.2, 1.3, 0.9), body)
        b.box((-0.9, 0, 1.9), (1.4, 1.5, 1.6), glass)
        b.box((-0.9, 0, 2.75), (1.6, 1.7, 0.1), body)
        b.box((2.4, 0, 0.7), (0.25, 3.2, 1.2), body, 0, 0.15)
        for side in (-1, 1):
            b.box((1.4, side * 1.2, 0.5), (2.0, 0.15, 0.25), body)
        return
    wheels(b, (1.5, -1.5), 1.35, 0.75, 0.55)
    b.box((-1.7, 0, 1.5), (2.4, 1.8, 1.1), body)
    b.box((-0.2, 0, 2.3), (1.4, 1.5, 1.7), glass)
    b.box((-0.2, 0, 3.18), (1.6, 1.7, 0.1), body)
    b.box((1.3, 0, 1.1), (1.8, 1.1, 0.7), body)
    lift = r.uniform(0.4, 2.6)
    for side in (-1, 1):
        beam_y = side * 0.6
        along = math.hypot(2.0, lift - 1.7)
        b.box(
            (2.0, beam_y, (lift + 1.7) / 2),
            (along, 0.2, 0.35),
            body,
            0.0,
            -math.atan2(lift - 1.7, 2.0),
        )
    b.prism(
        [
            (2.9, lift - 0.35),
            (4.1, lift - 0.35),
            (4.1, lift - 0.25),
            (3.2, lift + 0.7),
            (2.95, lift + 0.7),
        ],
        -1.45,
        1.45,
        dark if r.random() < 0.5 else body,
    )


def road_roller(b: Builder) -> None:
    r = b.rng
    body, steel, glass = (
        paint(pick(r, PAINTS), 0.5),
        paint((0.35, 0.35, 0.35), 0.35, 0.6),
        paint(GLASS, 0.1),
    )
    b.tube((1.7, -1.05, 0.75), (1.7, 1.05, 0.75), 0.75, steel, 20)
    for side in (-1, 1):
        b.box((1.4, side * 1.15, 0.85), (2.0, 0.14, 0.4), body)
    b.box((0.45, 0, 0.95), (0.4, 2.3, 0.5), body)
    if r.random() < 0.5:
        b.tube((-1.6, -1.05, 0.75), (-1.6, 1.05, 0.75), 0.75, steel, 20)
    else:
        wheels(b, (-1.5,), 1.0, 0.72, 0.5)
    b.box((-1.7, 0, 1.55), (1.7, 1.5, 0.8), body)
    if r.random() < 0.7:
        b.box((-0.3, 0, 1.75), (1.2, 1.4, 1.5), glass)
        b.box((-0.3, 0, 2.75), (1.7, 1.6, 0.1), body)
    else:
        b.box((-0.3, 0, 2.75), (1.7, 1.6, 0.07), body)
        for x in (-1.0, 0.4):
            for side in (-1, 1):
                b.tube((x, side * 0.7, 1.0), (x, side * 0.7, 2.75), 0.05, body, 6)


def lattice(b: Builder, start, end, wide: float, material, cell: float) -> None:
    """A square truss between two points, of thin members."""
    a, e = np.array(start, float), np.array(end, float)
    along = (e - a) / np.linalg.norm(e - a)
    across = np.cross(along, [0, 1, 0] if abs(along[1]) < 0.9 else [1, 0, 0])
    across /= np.linalg.norm(across)
    third = np.cross(along, across)
    corners = [(across * i + third * j) * wide / 2 for i, j in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    thin = wide * 0.07
    for c in corners:
        b.tube(a + c, e + c, thin, material, 4)
    count = max(2, int(np.linalg.norm(e - a) / cell))
    for k in range(count):
        p, q = a + (e - a) * k / count, a + (e - a) * (k + 1) / count
        for m in range(4):
            one, two = corners[m], corners[(m + 1) % 4]
            b.tube(
                p + one, q + (two if k % 2 else one) if k % 2 else q + two, thin * 0.7, material, 4
            )
            b.tube(p + one, p + two, thin * 0.7, material, 4)


def crane(b: Builder) -> None:
    r = b.rng
    colour = paint(
        pick(r, [(0.65, 0.4, 0.02), (0.5, 0.04, 0.03), (0.05, 0.12, 0.4), (0.6, 0.6, 0.55)]), 0.6
    )
    if r.random() < 0.3:  # on a truck, with a telescope
        length = 10.0
        cab(b, length / 2, 1.8, 2.5, 2.6, pick(r, PAINTS))
        b.box((-0.9, 0, 1.1), (length - 1.9, 2.4, 0.7), colour)
        wheels(b, (3.6, 2.2, -2.6, -3.9), 1.25, 0.52, 0.35)
        b.box((-2.0, 0, 2.0), (3.2, 2.2, 1.1), colour)
        rise, reach = r.uniform(0.15, 1.2), r.uniform(8, 20)
        tip = (-2.5 + reach * math.cos(rise), 0, 2.4 + reach * math.sin(rise))
        b.tube(
            (-2.5, 0, 2.4),
            (-2.5 + (tip[0] + 2.5) * 0.5, 0, 2.4 + (tip[2] - 2.4) * 0.5),
            0.42,
            colour,
            6,
        )
        b.tube((-2.5 + (tip[0] + 2.5) * 0.5, 0, 2.4 + (tip[2] - 2.4) * 0.5), tip, 0.28, colour, 6)
        b.tube(
            tip, (tip[0], 0, max(tip[2] - r.uniform(2, 6), 0.5)), 0.05, paint((0.02, 0.02, 0.02)), 4
        )
        return
    tall, reach = r.uniform(16, 34), r.uniform(16, 34)
    lattice(b, (0, 0, 0), (0, 0, tall), 1.7, colour, 1.9)
    lattice(b, (-reach * 0.28, 0, tall + 0.8), (reach, 0, tall + 0.8), 1.3, colour, 1.9)
    lattice(b, (0, 0, tall + 1.4), (0, 0, tall + 5), 1.1, colour, 1.6)
    b.box((-reach * 0.26, 0, tall), (2.2, 1.3, 2.0), paint((0.35, 0.35, 0.35), 0.9))
    b.box((0.9, 1.0, tall - 0.6), (1.5, 1.3, 1.8), paint((0.5, 0.5, 0.5), 0.4))
    for x in (reach * 0.65, -reach * 0.25):
        b.tube((0, 0, tall + 5), (x, 0, tall + 1.2), 0.06, colour, 4)
    x = r.uniform(0.3, 0.95) * reach
    b.tube((x, 0, tall), (x, 0, tall - r.uniform(3, 14)), 0.05, paint((0.02, 0.02, 0.02)), 4)
