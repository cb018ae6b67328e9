"""Road vehicles and people, as simple as they look from 20 to 300 m. Metres, +x forward."""

from __future__ import annotations

import math

from shapes import Builder, paint

GLASS = (0.015, 0.02, 0.025)
TYRE = (0.012, 0.012, 0.012)
CAR_PAINTS = [
    (0.75, 0.75, 0.75),
    (0.8, 0.8, 0.8),
    (0.02, 0.02, 0.02),
    (0.05, 0.05, 0.06),
    (0.3, 0.3, 0.32),
    (0.45, 0.46, 0.47),
    (0.35, 0.02, 0.02),
    (0.02, 0.06, 0.25),
    (0.05, 0.1, 0.2),
    (0.6, 0.4, 0.03),
    (0.03, 0.15, 0.06),
    (0.25, 0.15, 0.08),
]
CABS = [
    (0.7, 0.7, 0.7),
    (0.5, 0.03, 0.03),
    (0.03, 0.08, 0.4),
    (0.6, 0.35, 0.02),
    (0.02, 0.25, 0.1),
    (0.05, 0.3, 0.5),
]


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def wheels(b: Builder, xs, half: float, radius: float, width: float = 0.25) -> None:
    tyre = paint(TYRE, 0.9)
    for x in xs:
        for side in (-1, 1):
            b.tube((x, side * half, radius), (x, side * (half - width), radius), radius, tyre)


def car(b: Builder) -> None:
    r = b.rng
    length, width, tall = r.uniform(3.7, 5.0), r.uniform(1.65, 1.95), r.uniform(1.4, 1.85)
    body, glass = paint(pick(r, CAR_PAINTS), 0.25, 0.1), paint(GLASS, 0.1)
    n, w = length / 2, width / 2
    waist = tall * 0.58
    b.prism([(-n, 0.25), (n, 0.25), (n, waist * 0.82), (n * 0.45, waist), (-n, waist)], -w, w, body)
    hood, tail = n * r.uniform(0.3, 0.45), -n * r.uniform(0.6, 0.97)
    in_w = w * 0.86
    b.prism(
        [(tail, waist), (hood, waist), (hood - 0.75, tall), (tail + 0.45, tall)], -in_w, in_w, glass
    )
    b.prism(
        [
            (tail + 0.5, tall - 0.02),
            (hood - 0.8, tall - 0.02),
            (hood - 0.85, tall + 0.03),
            (tail + 0.55, tall + 0.03),
        ],
        -in_w * 0.96,
        in_w * 0.96,
        body,
    )
    wheels(b, (n * 0.62, -n * 0.62), w, 0.32)
    lamp = paint((0.9, 0.9, 0.85), 0.2)
    b.box((n, w * 0.7, waist * 0.7), (0.06, 0.3, 0.14), lamp)
    b.box((n, -w * 0.7, waist * 0.7), (0.06, 0.3, 0.14), lamp)
    red = paint((0.4, 0.01, 0.01), 0.3)
    b.box((-n, w * 0.75, waist * 0.8), (0.06, 0.25, 0.14), red)
    b.box((-n, -w * 0.75, waist * 0.8), (0.06, 0.25, 0.14), red)


def cab(b: Builder, front: float, length: float, width: float, tall: float, colour) -> None:
    """A truck's cab whose front face is at x = front."""
    body, glass = paint(colour, 0.35), paint(GLASS, 0.1)
    w = width / 2
    b.prism(
        [
            (front - length, 0.55),
            (front, 0.55),
            (front, tall * 0.55),
            (front - 0.25, tall),
            (front - length, tall),
        ],
        -w,
        w,
        body,
    )
    b.prism(
        [
            (front - 0.02, tall * 0.56),
            (front + 0.02, tall * 0.56),
            (front - 0.21, tall * 0.93),
            (front - 0.25, tall * 0.93),
        ],
        -w * 0.9,
        w * 0.9,
        glass,
    )
    for side in (-1, 1):
        b.box(
            (front - length * 0.45, side * w, tall * 0.73), (length * 0.5, 0.03, tall * 0.28), glass
        )


def truck(b: Builder) -> None:
    r = b.rng
    length, width = r.uniform(5.2, 11), r.uniform(2.0, 2.55)
    front, cab_length, tall = length / 2, r.uniform(1.5, 2.1), r.uniform(2.2, 3.0)
    cab(b, front, cab_length, width, tall, pick(r, CABS))
    bed, back = front - cab_length - 0.15, -length / 2
    middle, run = (bed + back) / 2, bed - back
    b.box((middle, 0, 0.85), (run, width * 0.9, 0.25), paint((0.05, 0.05, 0.05), 0.8))
    if r.random() < 0.55:  # a closed box
        high = r.uniform(1.8, 2.7)
        b.box(
            (middle, 0, 0.98 + high / 2),
            (run, width, high),
            paint(pick(r, CABS + [(0.8, 0.8, 0.8)] * 3), 0.5, speckle=0.15, scale=1),
        )
    else:  # a flat bed, often loaded
        side = paint(pick(r, CABS), 0.6)
        for y in (-1, 1):
            b.box((middle, y * width / 2, 1.25), (run, 0.06, 0.55), side)
        b.box((back, 0, 1.25), (0.06, width, 0.55), side)
        b.box((middle, 0, 1.0), (run, width, 0.05), paint((0.2, 0.15, 0.1), 0.9))
        if r.random() < 0.7:
            load = paint(
                pick(r, [(0.35, 0.1, 0.06), (0.4, 0.4, 0.38), (0.3, 0.2, 0.1), (0.5, 0.4, 0.25)]),
                0.9,
                speckle=0.4,
            )
            b.box(
                (middle, 0, 1.35),
                (run * r.uniform(0.5, 0.95), width * 0.85, r.uniform(0.4, 1.0)),
                load,
            )
    wheels(
        b,
        (front - cab_length * 0.5, back + 0.9, *((back + 2.1,) if length > 8 else ())),
        width / 2,
        0.48,
        0.35,
    )


def bus(b: Builder) -> None:
    r = b.rng
    length, width, tall = r.uniform(8, 12.5), 2.5, r.uniform(2.9, 3.3)
    colour = pick(
        r,
        [
            (0.7, 0.7, 0.7),
            (0.6, 0.4, 0.02),
            (0.03, 0.3, 0.1),
            (0.05, 0.1, 0.45),
            (0.5, 0.04, 0.03),
            (0.2, 0.5, 0.15),
        ],
    )
    body, glass, roof = paint(colour, 0.35), paint(GLASS, 0.1), paint((0.6, 0.6, 0.6), 0.6)
    n = length / 2
    b.box((0, 0, tall / 2 + 0.15), (length, width, tall - 0.3), body)
    b.box((0, 0, tall * 0.66), (length * 0.93, width + 0.04, tall * 0.3), glass)
    b.box((n, 0, tall * 0.62), (0.05, width * 0.92, tall * 0.42), glass)
    b.box(
        (0, 0, tall + 0.02), (length * 0.97, width * 0.92, 0.06), roof if r.random() < 0.6 else body
    )
    for _ in range(int(r.integers(1, 4))):
        b.box(
            (r.uniform(-n * 0.7, n * 0.7), 0, tall + 0.15),
            (r.uniform(0.7, 2.2), 1.4, 0.25),
            paint((0.5, 0.5, 0.5), 0.7),
        )
    wheels(b, (n * 0.62, -n * 0.55), width / 2, 0.48)


def dump_truck(b: Builder) -> None:
    r = b.rng
    length, width = r.uniform(7.2, 9.5), 2.5
    front, tall = length / 2, r.uniform(2.7, 3.1)
    colour = pick(r, CABS + [(0.65, 0.3, 0.02)] * 2)
    cab(b, front, 1.9, width, tall, colour)
    bed, back = front - 2.1, -length / 2
    middle, run, high = (bed + back) / 2, bed - back, r.uniform(1.1, 1.6)
    tub = paint(colour if r.random() < 0.6 else pick(r, CABS), 0.6, speckle=0.2, scale=2)
    b.box((middle, 0, 0.95), (run, width * 0.6, 0.35), paint((0.04, 0.04, 0.04), 0.8))
    b.box((middle, 0, 1.2), (run, width, 0.1), tub)
    for side in (-1, 1):
        b.box((middle, side * width / 2, 1.2 + high / 2), (run, 0.1, high), tub)
        for k in range(5):  # ribs
            b.box(
                (back + run * (k + 0.5) / 5, side * (width / 2 + 0.07), 1.2 + high / 2),
                (0.12, 0.08, high),
                tub,
            )
    b.box((bed, 0, 1.25 + high / 2), (0.1, width, high + 0.3), tub)
    b.prism(
        [
            (bed, 1.2 + high + 0.15),
            (bed + 1.2, tall + 0.2),
            (bed + 1.2, tall + 0.28),
            (bed, 1.2 + high + 0.23),
        ],
        -width / 2.2,
        width / 2.2,
        tub,
    )
    b.box((back, 0, 1.2 + high / 2), (0.1, width, high * 0.9), tub)
    if r.random() < 0.65:
        soil = paint(
            pick(r, [(0.18, 0.11, 0.06), (0.3, 0.22, 0.13), (0.25, 0.25, 0.24)]), 1, speckle=0.5
        )
        b.sheet(
            lambda x, y: (
                1.2 + high * (0.75 + 0.5 * math.cos(x / run * 3) * math.cos(y / width * 2.6))
            ),
            (run * 0.96, width * 0.94),
            soil,
            10,
            (middle, 0),
        )
    wheels(b, (front - 1.0, back + 0.9, back + 2.2), width / 2, 0.52, 0.4)


def concrete_mixer(b: Builder) -> None:
    r = b.rng
    length, width = r.uniform(8, 9.8), 2.5
    front, back = length / 2, -length / 2
    cab(b, front, 1.9, width, r.uniform(2.7, 3.1), pick(r, CABS))
    b.box(
        ((front - 2 + back) / 2, 0, 0.95),
        (length - 2, width * 0.5, 0.35),
        paint((0.04, 0.04, 0.04), 0.8),
    )
    skin = paint(
        pick(
            r,
            [
                (0.7, 0.7, 0.68),
                (0.6, 0.55, 0.3),
                (0.5, 0.5, 0.5),
                (0.1, 0.3, 0.5),
                (0.05, 0.35, 0.15),
            ],
        ),
        0.6,
        speckle=0.25,
        scale=1.5,
    )
    band = paint(pick(r, CABS), 0.5)
    a, z = front - 2.4, 1.9  # the drum rises towards the back: narrow, wide, narrow
    run = a - back - 0.4

    def at(s):
        return a - run * s, 0, z + 0.9 * s

    b.tube(at(0), at(0.25), 0.7, skin, 16, 1.15)
    b.tube(at(0.25), at(0.62), 1.15, skin, 16, 1.12)
    b.tube(at(0.44), at(0.5), 1.17, band, 16)
    b.tube(at(0.62), at(1), 1.12, skin, 16, 0.5)
    steel = paint((0.3, 0.3, 0.3), 0.6)
    b.prism(
        [(back + 0.1, 2.6), (back + 0.7, 2.6), (back + 0.5, 3.5), (back, 3.5)], -0.55, 0.55, steel
    )
    b.tube((back + 0.1, 0, 2.6), (back - 0.7, 0.2, 1.5), 0.22, steel)
    for side in (-1, 1):
        b.tube((back + 0.7, side * 0.9, 1.0), (back + 0.7, side * 0.6, 2.6), 0.07, steel, 6)
    wheels(b, (front - 1.0, back + 0.9, back + 2.2), width / 2, 0.52, 0.4)


def rider(b: Builder, x: float, z: float) -> None:
    r = b.rng
    cloth, skin = paint(tuple(r.uniform(0.02, 0.6, 3)), 0.9), paint((0.35, 0.2, 0.13), 0.7)
    b.tube((x, 0, z), (x + 0.1, 0, z + 0.55), 0.2, cloth, 8, 0.23)
    b.tube(
        (x + 0.12, 0, z + 0.55),
        (x + 0.13, 0, z + 0.85),
        0.13,
        paint(tuple(r.uniform(0.02, 0.7, 3)), 0.4) if r.random() < 0.5 else skin,
        8,
        0.09,
    )
    for side in (-1, 1):
        b.tube((x + 0.08, side * 0.22, z + 0.48), (x + 0.5, side * 0.28, z + 0.3), 0.06, cloth, 6)
        b.tube((x, side * 0.13, z), (x + 0.35, side * 0.17, z - 0.35), 0.08, cloth, 6)


def tricycle(b: Builder) -> None:
    """A three-wheeled carrier with a bed, as used by builders and hawkers."""
    r = b.rng
    colour = pick(r, [(0.45, 0.03, 0.03), (0.03, 0.1, 0.4), (0.03, 0.3, 0.12), (0.4, 0.4, 0.4)])
    body, dark = paint(colour, 0.5), paint((0.03, 0.03, 0.03), 0.8)
    bed, wide = r.uniform(1.4, 1.9), r.uniform(1.0, 1.25)
    back = -bed - 0.1
    b.tube((1.25, -0.06, 0.3), (1.25, 0.06, 0.3), 0.3, dark)
    b.tube((1.2, 0, 0.35), (0.95, 0, 1.05), 0.07, body, 6)
    b.tube((0.95, -0.4, 1.05), (0.95, 0.4, 1.05), 0.03, dark, 6)
    b.box((0.35, 0, 0.55), (0.9, 0.45, 0.3), body)
    b.box((0.15, 0, 0.75), (0.5, 0.5, 0.1), dark)
    b.box((back / 2 - 0.1, 0, 0.55), (bed, wide, 0.08), body)
    for side in (-1, 1):
        b.box((back / 2 - 0.1, side * wide / 2, 0.75), (bed, 0.05, 0.4), body)
        b.tube(
            (back / 2 - 0.1, side * (wide / 2 - 0.1), 0.28),
            (back / 2 - 0.1, side * (wide / 2 - 0.2), 0.28),
            0.28,
            dark,
        )
    for x in (-0.1, back - 0.1):
        b.box((x, 0, 0.75), (0.05, wide, 0.4), body)
    if r.random() < 0.6:
        goods = paint(tuple(r.uniform(0.05, 0.6, 3)), 0.9, speckle=0.5)
        b.box((back / 2 - 0.1, 0, 0.85), (bed * 0.85, wide * 0.85, r.uniform(0.3, 0.8)), goods)
    if r.random() < 0.3:  # a roof over the driver
        b.box((0.4, 0, 1.85), (1.3, 1.0, 0.04), paint(tuple(r.uniform(0.1, 0.6, 3)), 0.6))
        for side in (-1, 1):
            b.tube((0.9, side * 0.4, 0.9), (0.9, side * 0.4, 1.85), 0.02, dark, 5)
    if r.random() < 0.6:
        rider(b, 0.15, 0.8)


def motorcycle(b: Builder) -> None:
    r = b.rng
    body, dark = paint(tuple(r.uniform(0.02, 0.6, 3)), 0.3), paint((0.03, 0.03, 0.03), 0.8)
    for x in (0.62, -0.6):
        b.tube((x, -0.06, 0.27), (x, 0.06, 0.27), 0.27, dark)
    b.prism(
        [(-0.75, 0.5), (-0.1, 0.3), (0.4, 0.35), (0.5, 0.8), (0.3, 0.5), (-0.75, 0.75)],
        -0.14,
        0.14,
        body,
    )
    b.box((-0.35, 0, 0.78), (0.7, 0.28, 0.1), dark)
    b.tube((0.6, 0, 0.3), (0.4, 0, 1.0), 0.06, body, 6)
    b.tube((0.4, -0.33, 1.0), (0.4, 0.33, 1.0), 0.025, dark, 6)
    if r.random() < 0.4:
        b.box(
            (-0.75, 0, 0.95),
            (0.35, 0.38, 0.3),
            paint(pick(r, [(0.02, 0.02, 0.02), (0.05, 0.2, 0.5), (0.6, 0.45, 0.02)]), 0.6),
        )


def person(b: Builder) -> None:
    r = b.rng
    top, legs, skin = (
        paint(tuple(r.uniform(0.02, 0.7, 3)), 0.9),
        paint(tuple(r.uniform(0.01, 0.25, 3)), 0.9),
        paint((0.35, 0.2, 0.13), 0.7),
    )
    step = r.uniform(0, 0.35)
    for side in (-1, 1):
        b.tube((side * step, side * 0.1, 0), (0, side * 0.09, 0.85), 0.075, legs, 7)
        b.tube((side * step * -0.8, side * 0.3, 0.85), (0, side * 0.22, 1.4), 0.055, top, 6)
    b.tube((0, 0, 0.82), (0, 0, 1.45), 0.17, top, 9, 0.2)
    b.tube((0, 0, 1.45), (0.02, 0, 1.72), 0.1, skin, 9, 0.09)
    hair = (
        paint((0.01, 0.01, 0.01), 0.8)
        if r.random() < 0.7
        else paint(pick(r, [(0.6, 0.4, 0.02), (0.5, 0.03, 0.02), (0.7, 0.7, 0.7)]), 0.4)
    )
    b.tube((0.0, 0, 1.64), (0.0, 0, 1.76), 0.115, hair, 9, 0.06)
