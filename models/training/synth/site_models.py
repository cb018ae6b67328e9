"""Materials, structures and street objects. Metres, z up."""

from __future__ import annotations

import math

from shapes import Builder, bumps, paint, striped
from vehicles import pick

BRIGHT = [
    (0.02, 0.12, 0.5),
    (0.5, 0.03, 0.03),
    (0.03, 0.35, 0.12),
    (0.65, 0.3, 0.02),
    (0.6, 0.5, 0.05),
    (0.1, 0.4, 0.5),
]
CLOTH = [*BRIGHT, (0.7, 0.7, 0.7), (0.35, 0.35, 0.35)]


def soil_pile(b: Builder) -> None:
    r = b.rng
    colour = pick(
        r,
        [
            (0.45, 0.33, 0.18),
            (0.35, 0.22, 0.12),
            (0.2, 0.13, 0.08),
            (0.4, 0.4, 0.38),
            (0.55, 0.45, 0.3),
        ],
    )
    stuff = paint(colour, 1.0, speckle=0.45, scale=float(r.uniform(2, 12)))
    for k in range(int(r.integers(1, 4))):
        b.heap(
            r.uniform(1.3, 3.5),
            r.uniform(0.7, 2.0),
            stuff,
            r.uniform(0.7, 1.5),
            (k * r.uniform(1.5, 3.0), r.uniform(-0.8, 0.8), 0),
        )


def brick_pile(b: Builder) -> None:
    r = b.rng
    colour = pick(r, [(0.35, 0.1, 0.05), (0.42, 0.15, 0.08), (0.4, 0.4, 0.38), (0.5, 0.48, 0.42)])
    tones = [
        paint(tuple(c * f for c in colour), 0.95, speckle=0.3, scale=6) for f in (0.75, 1.0, 1.2)
    ]
    gap = paint(tuple(c * 0.35 for c in colour), 1.0)
    for i in range(int(r.integers(1, 4))):
        for j in range(int(r.integers(1, 3))):
            x, y, layers = i * 1.35, j * 1.3, int(r.integers(4, 9))
            b.box((x, y, layers * 0.12), (1.0, 0.98, layers * 0.24 - 0.02), gap)
            for k in range(layers):
                for n in range(4):
                    if k == layers - 1 and r.random() < 0.35:
                        continue
                    b.box(
                        (x - 0.39 + n * 0.26, y + r.normal(0, 0.01), 0.12 + k * 0.24),
                        (0.245, 1.02, 0.225),
                        pick(r, tones),
                    )


def rebar(b: Builder) -> None:
    r = b.rng
    rust = [
        paint(c, 0.8, 0.3)
        for c in [(0.2, 0.08, 0.04), (0.28, 0.14, 0.07), (0.15, 0.1, 0.08), (0.3, 0.28, 0.26)]
    ]
    along = r.uniform(4, 10)
    for bundle in range(int(r.integers(1, 5))):
        y, lean = bundle * r.uniform(0.35, 0.6), r.normal(0, 0.05)
        for _ in range(int(r.integers(12, 26))):
            dy, z = r.normal(0, 0.09), abs(r.normal(0, 0.09)) + 0.05
            start = r.normal(0, 0.15)
            b.tube(
                (-along / 2 + start, y + dy - lean * along / 2, z),
                (along / 2 + start, y + dy + lean * along / 2, z),
                0.022,
                pick(r, rust),
                4,
            )


def scaffolding(b: Builder) -> None:
    r = b.rng
    bays, lifts, deep = int(r.integers(3, 9)), int(r.integers(2, 6)), r.uniform(0.9, 1.3)
    pole = paint(
        pick(r, [(0.3, 0.3, 0.3), (0.4, 0.25, 0.05), (0.05, 0.15, 0.35), (0.35, 0.15, 0.05)]),
        0.5,
        0.4,
    )
    plank = paint((0.4, 0.3, 0.17), 0.9, speckle=0.3)
    run, tall = bays * 1.6, lifts * 1.8 + 0.9
    if r.random() < 0.7:  # the wall that it leans on
        wall = paint(
            pick(r, [(0.35, 0.34, 0.32), (0.4, 0.2, 0.13), (0.55, 0.53, 0.5)]),
            0.9,
            speckle=0.3,
            scale=1.5,
        )
        b.box((run / 2, deep + 0.55, tall * 0.48), (run * 0.97, 0.5, tall * 0.96), wall)
        hole = paint((0.04, 0.04, 0.05), 0.6)
        for i in range(bays // 2):
            for j in range(lifts):
                b.box((i * 3.2 + 1.6, deep + 0.28, j * 1.8 + 1.2), (1.1, 0.06, 1.0), hole)
    for i in range(bays + 1):
        for y in (0.0, deep):
            b.tube((i * 1.6, y, 0), (i * 1.6, y, tall), 0.045, pole, 5)
    for k in range(1, lifts + 1):
        for y in (0.0, deep):
            for rail in (0.0, 0.9):
                b.tube(
                    (-0.3, y, k * 1.8 + rail - 0.1),
                    (run + 0.3, y, k * 1.8 + rail - 0.1),
                    0.04,
                    pole,
                    5,
                )
        for i in range(bays + 1):
            b.tube((i * 1.6, -0.2, k * 1.8), (i * 1.6, deep + 0.2, k * 1.8), 0.04, pole, 5)
        if r.random() < 0.8:
            b.box((run / 2, deep / 2, k * 1.8 - 0.02), (run, deep * 0.8, 0.05), plank)
    for i in range(0, bays, 2):
        b.tube((i * 1.6, 0, 0), (min(i + 2, bays) * 1.6, 0, min(3.6, tall)), 0.04, pole, 5)
    if r.random() < 0.35:  # green safety net on part of the front
        net = paint((0.02, 0.22, 0.1), 0.9, speckle=0.4, scale=4)
        wide = run * r.uniform(0.4, 1.0)
        b.box((wide / 2, -0.06, tall * 0.55), (wide, 0.02, tall * 0.8), net)


def dust_net(b: Builder) -> None:
    """A green net over bare earth and heaps."""
    r = b.rng
    net = paint(
        pick(r, [(0.02, 0.2, 0.07), (0.03, 0.28, 0.1), (0.05, 0.22, 0.16), (0.03, 0.14, 0.06)]),
        0.9,
        speckle=0.5,
        scale=float(r.uniform(2, 8)),
    )
    big, small = bumps(r, 5), bumps(r, 9)
    wide, deep, tall = r.uniform(5, 14), r.uniform(4, 9), r.uniform(0.2, 2.2)

    def height(x, y):
        edge = max(0.0, min(1.0, 4 * (0.5 - abs(x) / wide), 4 * (0.5 - abs(y) / deep)))
        return (
            0.04
            + edge * (0.15 + tall * max(0.0, 0.4 + 0.8 * big(x / wide * 1.6, y / deep * 1.6)))
            + 0.08 * small(x * 1.3, y * 1.3) * edge
        )

    b.sheet(height, (wide, deep), net, 30)


def tarpaulin(b: Builder) -> None:
    """A wrinkled sheet over goods."""
    r = b.rng
    first = pick(r, BRIGHT)
    cloth = (
        striped(first, pick(r, CLOTH), r.uniform(0.6, 1.6), int(r.integers(2)))
        if r.random() < 0.35
        else paint(first, 0.35, speckle=0.25, scale=3)
    )
    small = bumps(r, 9)
    wide, deep, tall = r.uniform(2, 6), r.uniform(1.6, 4), r.uniform(0.5, 1.8)
    top = r.uniform(0.25, 0.42)

    def height(x, y):
        inner = min(
            1.0,
            max(0.0, (0.5 - abs(x) / wide) / (0.5 - top)),
            max(0.0, (0.5 - abs(y) / deep) / (0.5 - top)),
        )
        return 0.03 + tall * math.sqrt(inner) + 0.1 * small(x * 1.6, y * 1.6)

    b.sheet(lambda x, y: max(height(x, y), 0.02), (wide, deep), cloth, 26)


def awning(b: Builder) -> None:
    """A sloped roof of cloth or sheet metal, on a wall or on posts."""
    r = b.rng
    first = pick(r, BRIGHT)
    cloth = (
        striped(first, (0.75, 0.75, 0.72), r.uniform(0.8, 2), 0)
        if r.random() < 0.5
        else paint(first, 0.5)
    )
    wide, deep, high, drop = (
        r.uniform(2.5, 8),
        r.uniform(1.2, 3),
        r.uniform(2.4, 3.2),
        r.uniform(0.3, 0.9),
    )
    b.add(
        [
            (-wide / 2, 0, high),
            (wide / 2, 0, high),
            (wide / 2, -deep, high - drop),
            (-wide / 2, -deep, high - drop),
        ],
        [(0, 1, 2, 3)],
        cloth,
    )
    b.box((0, -deep, high - drop - 0.12), (wide, 0.03, 0.25), cloth)
    post = paint((0.4, 0.4, 0.4), 0.4, 0.5)
    if r.random() < 0.6:
        for x in (-wide / 2, wide / 2):
            b.tube((x, -deep, 0), (x, -deep, high - drop), 0.035, post, 6)
    for x in (-wide / 2, 0, wide / 2):
        b.tube((x, 0, high - 0.02), (x, -deep, high - drop - 0.02), 0.03, post, 5)


def colour_steel_shed(b: Builder) -> None:
    """A shed of coloured profiled steel, as on roofs and in yards."""
    r = b.rng
    wide, deep, high, rise = (
        r.uniform(4, 14),
        r.uniform(3, 7),
        r.uniform(2.4, 3.4),
        r.uniform(0.3, 1.3),
    )
    tint = pick(
        r,
        [
            (0.02, 0.13, 0.5),
            (0.05, 0.25, 0.6),
            (0.5, 0.04, 0.03),
            (0.65, 0.65, 0.65),
            (0.3, 0.5, 0.6),
            (0.1, 0.3, 0.12),
        ],
    )
    roof = striped(tint, tuple(c * 0.72 for c in tint), r.uniform(1.5, 3.5), 0)
    wall = (
        striped((0.65, 0.65, 0.63), (0.55, 0.55, 0.54), 3, 0)
        if r.random() < 0.6
        else paint(tint, 0.5)
    )
    b.box((0, 0, high / 2), (wide, deep, high), wall)
    o = 0.25
    if r.random() < 0.7:
        for y in (-1, 1):
            b.add(
                [
                    (-wide / 2 - o, 0, high + rise),
                    (wide / 2 + o, 0, high + rise),
                    (wide / 2 + o, y * (deep / 2 + o), high - 0.05),
                    (-wide / 2 - o, y * (deep / 2 + o), high - 0.05),
                ],
                [(0, 1, 2, 3)],
                roof,
            )
        for x in (-wide / 2, wide / 2):
            b.add(
                [(x, -deep / 2, high), (x, deep / 2, high), (x, 0, high + rise)], [(0, 1, 2)], wall
            )
    else:
        b.add(
            [
                (-wide / 2 - o, deep / 2 + o, high + rise),
                (wide / 2 + o, deep / 2 + o, high + rise),
                (wide / 2 + o, -deep / 2 - o, high),
                (-wide / 2 - o, -deep / 2 - o, high),
            ],
            [(0, 1, 2, 3)],
            roof,
        )
        b.box((0, deep / 2, high + rise / 2), (wide, 0.05, rise), wall)
    dark = paint((0.04, 0.05, 0.06), 0.3)
    for _ in range(int(r.integers(1, 4))):
        b.box(
            (r.uniform(-wide / 2.4, wide / 2.4), -deep / 2, 1.4),
            (r.uniform(0.8, 1.3), 0.06, 1.0),
            dark,
        )


def umbrella(b: Builder) -> None:
    canopy(b, 0.0, 0.0, b.rng.uniform(1.1, 1.8), b.rng.uniform(2.0, 2.5))


def canopy(b: Builder, x: float, y: float, radius: float, high: float) -> None:
    r = b.rng
    first = pick(r, CLOTH)
    second = pick(r, CLOTH) if r.random() < 0.4 else first
    cloths, sides = (paint(first, 0.6), paint(second, 0.6)), 8
    for k in range(sides):
        a, c = 2 * math.pi * k / sides, 2 * math.pi * (k + 1) / sides
        rim = [(x + radius * math.cos(t), y + radius * math.sin(t), high) for t in (a, c)]
        b.add([(x, y, high + 0.45), *rim], [(0, 1, 2)], cloths[k % 2])
        b.add(
            [*rim, *[(u, v, high - 0.15) for u, v, _ in rim[::-1]]], [(0, 1, 2, 3)], cloths[k % 2]
        )
    b.tube((x, y, 0), (x, y, high + 0.5), 0.03, paint((0.5, 0.5, 0.5), 0.4), 6)


def vendor_stall(b: Builder) -> None:
    """A table or cart with goods, usually under a parasol or a square tent."""
    r = b.rng
    wide, deep = r.uniform(1.4, 2.6), r.uniform(0.8, 1.3)
    b.box((0, 0, 0.72), (wide, deep, 0.08), paint((0.4, 0.35, 0.3), 0.8))
    for x in (-1, 1):
        for y in (-1, 1):
            b.tube(
                (x * wide * 0.46, y * deep * 0.44, 0),
                (x * wide * 0.46, y * deep * 0.44, 0.7),
                0.03,
                paint((0.2, 0.2, 0.2)),
                5,
            )
    if r.random() < 0.5:
        b.box((0, 0, 0.4), (wide * 0.95, deep * 0.9, 0.6), paint(pick(r, CLOTH), 0.8))
    for _ in range(int(r.integers(5, 16))):
        b.box(
            (r.uniform(-0.42, 0.42) * wide, r.uniform(-0.4, 0.4) * deep, 0.84),
            (*r.uniform(0.12, 0.4, 2), r.uniform(0.08, 0.3)),
            paint(tuple(r.uniform(0.03, 0.7, 3)), 0.8),
        )
    kind = r.random()
    if kind < 0.5:
        canopy(
            b, r.uniform(-0.3, 0.3), r.uniform(-0.3, 0.3), r.uniform(1.2, 1.7), r.uniform(2.0, 2.4)
        )
    elif kind < 0.85:
        w, high = r.uniform(1.1, 1.5), r.uniform(2.0, 2.4)
        cloth = paint(pick(r, CLOTH), 0.6)
        rim = [(-w, -w, high), (w, -w, high), (w, w, high), (-w, w, high)]
        b.add([(0, 0, high + 0.7), *rim], [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 1)], cloth)
        b.add(
            [*rim, *[(x, y, high - 0.25) for x, y, _ in rim]],
            [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)],
            cloth,
        )
        for x, y, _ in rim:
            b.tube((x, y, 0), (x, y, high), 0.03, paint((0.6, 0.6, 0.6)), 5)
