"""The objects of a scene and its events with their times, all drawn from one seed."""

from dataclasses import dataclass, field

import numpy as np

from world import Box, Camera, Crown, Patch

WALLS = ["plaster", "plaster2"]
# Height of the ground floor's shop windows, which belong to signs. Above them is the facade.
SHOP_M = 3.2


@dataclass
class Planted:
    """A change and its objects, until `to` (hours). `steps`: (hour, objects from then on)."""

    id: str
    kind: str
    rule: str
    zone: str
    steps: list
    to: float | None = None

    def things(self, hour):
        now = []
        if self.to is not None and hour >= self.to:
            return now
        for start, objects in self.steps:
            if hour >= start:
                now = objects
        return now


@dataclass
class Plan:
    camera: Camera
    boxes: list
    patches: list
    crowns: list
    zones: dict
    planted: list
    visits: list = field(default_factory=list)
    winter: bool = False
    leaf_fall: float = 0.0
    first_day: int = 280


def plan(rng, width, height, days, only=None):
    """The scene. `only`: names of the planted changes to keep."""
    camera = Camera(
        width,
        height,
        rng.uniform(24, 32),
        rng.uniform(19, 23),
        rng.uniform(-10, 10),
        rng.uniform(58, 66),
    )
    m = rng.uniform(-2, 2, 8)
    a = Box(
        (-42 + m[0], 72 + m[1], 0), (-14 + m[0], 90 + m[1], 8 + m[2]), rng.choice(WALLS), "windows"
    )
    b = Box(
        (12 + m[3], 70 + m[4], 0), (36 + m[3], 84 + m[4], 7 + m[5]), rng.choice(WALLS), "windows"
    )
    c = Box((-8, 118, 0), (20, 136, 15 + m[6]), rng.choice(WALLS), "windows")
    wall = Box((-36, 49, 0), (-8, 49.5, 3), "plaster")
    boxes = [
        a,
        b,
        c,
        wall,
        Box((44, 66, 0), (47, 69, 3.2), "plaster2"),
        Box((3, 50, 0), (3.3, 50.3, 8), "steel_grey"),
    ]
    for house in (a, b, c):
        top = house.hi[2]
        boxes.append(Box((house.lo[0], house.lo[1], top), (*house.hi[:2], top + 0.25), "roof"))
        x, y = rng.uniform(house.lo[0] + 3, house.hi[0] - 5), house.hi[1] - 4
        boxes.append(Box((x, y, top), (x + 2, y + 2, top + 1.6), "steel_grey"))
    patches = [
        Patch((-400, 55), (400, 64), "asphalt", "lane"),
        Patch((-38, 28), (-6, 49), "concrete"),
        Patch((-60, 64), (40, 72), "concrete"),
        Patch((28, 106), (110, 190), "field", "rows"),
        Patch((-130, 96), (-48, 190), "field", "rows"),
    ]
    crowns = []
    for _ in range(9):
        x, y = rng.uniform(-60, 60), rng.choice([52.0, 67.0, 100.0]) + rng.uniform(-1, 1)
        if (abs(x + 22) < 17 and y < 60) or (-16 < x < 12 and y > 90):
            x += 40
        r = rng.uniform(1.5, 2.6)
        crowns.append(Crown((x, y, 3.5 + r), (r, r, r * 1.15)))
        boxes.append(Box((x - 0.15, y - 0.15, 0), (x + 0.15, y + 0.15, 4.5), "bark"))
    zones = _zones(camera, a, b, wall)

    def hour(lo, hi):
        return float(np.floor(rng.uniform(lo, hi)) + 0.1)

    planted = _planted(rng, a, b, wall, days * 24.0, hour)
    if only:
        planted = [p for p in planted if p.kind in only]
    visits = _visits(rng, days)
    winter, fall = bool(rng.random() < 0.5), float(rng.uniform(0.2, 1.0))
    return Plan(
        camera,
        boxes,
        patches,
        crowns,
        zones,
        planted,
        visits,
        winter,
        fall,
        int(rng.integers(275, 345)),
    )


def _zones(camera, a, b, wall):
    """Zones as polygons of the picture, 0 to 1, from shapes of the world."""

    def roof(h):
        z = h.hi[2] + 0.25
        tall = z + 3.0
        return [
            (h.lo[0], h.lo[1], z),
            (h.hi[0], h.lo[1], z),
            (h.hi[0], h.hi[1], tall),
            (h.lo[0], h.hi[1], tall),
        ]

    def front(h, low=0.0, high=None):
        x0, y, x1, z = h.lo[0], h.lo[1], h.hi[0], high or h.hi[2]
        return [(x0, y, low), (x1, y, low), (x1, y, z), (x0, y, z)]

    def flat(x0, y0, x1, y1):
        return [(x0, y0, 0), (x1, y0, 0), (x1, y1, 0), (x0, y1, 0)]

    shapes = {
        "roof_a": roof(a),
        "roof_b": roof(b),
        "facade_a": front(a),
        "facade_b": front(b, SHOP_M),
        "shop_b": front(b, 0.0, SHOP_M),
        "wall": front(wall),
        "yard": flat(-37, 29, -7, 48.5),
        "green": flat(0, 30, 40, 54),
        "field": flat(28, 107, 75, 150),
    }
    w, h = camera.size
    out = {}
    for name, points in shapes.items():
        p = np.clip(camera.project(points) / [w, h], 0, 1)
        out[name] = [[round(float(x), 4), round(float(y), 4)] for x, y in p]
    return out


def _planted(rng, a, b, wall, end, hour):
    """Every kind once, at random places and hours: after two days, and in time for a decision."""
    last = max(end - 54, 60)

    def when():
        return hour(50, last)

    out = []

    z, x, y = a.hi[2] + 0.25, rng.uniform(a.lo[0] + 5, a.hi[0] - 12), a.lo[1] + 4
    t = hour(50, max(last - 30, 52))

    def post(px, py):
        return Box((px, py, z), (px + 0.3, py + 0.3, z + 2.8), "steel_grey")

    frame = [post(px, py) for px in (x, x + 6.7) for py in (y, y + 5.7)]
    walls = Box(
        (x, y, z),
        (x + 7, y + 6, z + 2.6),
        "steel_blue" if rng.random() < 0.6 else "steel_grey",
        "ribs",
    )
    lid = Box(
        (x - 0.3, y - 0.3, z + 2.6),
        (x + 7.3, y + 6.3, z + 2.9),
        rng.choice(["steel_blue", "white", "steel_grey"]),
    )
    out.append(
        Planted(
            "shed",
            "roof_shed",
            "rooftop_addition",
            "roof_a",
            [(t, frame), (t + 5, [*frame, walls]), (t + 24, [walls, lid])],
        )
    )

    def at_front(house, kind, rule, zone, material, size, pattern="", low=2.6, lift=None):
        x = rng.uniform(house.lo[0] + 2, house.hi[0] - size[0] - 2)
        z0 = lift if lift is not None else low
        box = Box(
            (x, house.lo[1] - size[2], z0),
            (x + size[0], house.lo[1], z0 + size[1]),
            material,
            pattern,
        )
        out.append(Planted(kind, kind, rule, zone, [(when(), [box])]))

    at_front(
        b,
        "balcony",
        "facade_alteration",
        "facade_b",
        rng.choice(["glass", "white"]),
        (3.6, 2.6, 1.1),
        low=3.4,
    )
    at_front(
        wall, "poster", "illegal_posting", "wall", "poster", (2.2, 1.6, 0.05), "letters", low=0.9
    )
    half = (a.hi[0] - a.lo[0]) * rng.uniform(0.3, 0.45)
    x = a.lo[0] if rng.random() < 0.5 else a.hi[0] - half
    bars = [Box((x, a.lo[1] - 1.4, 0), (x + half, a.lo[1] - 1.2, a.hi[2] - 1), "wood", "bars")]
    net = [Box((x, a.lo[1] - 1.4, 0), (x + half, a.lo[1] - 1.2, a.hi[2] - 1), "net")]
    t = when()
    out.append(
        Planted("scaffold", "scaffold", "facade_alteration", "facade_a", [(t, bars), (t + 20, net)])
    )
    left = b.lo[0] + 1 if rng.random() < 0.5 else b.hi[0] - 6
    panel = Box(
        (left, b.lo[1] - 2.2, 0.4),
        (left + 5, b.lo[1] - 2.0, 2.9),
        rng.choice(["sign", "white", "steel_blue"]),
        "letters",
    )
    out.append(
        Planted("panel", "bright_panel", "outdoor_advertising", "shop_b", [(when(), [panel])])
    )
    x, y, t = rng.uniform(34, 40), rng.uniform(114, 122), hour(50, max(last - 20, 52))
    rim = Patch((x - 2, y - 2), (x + 9, y + 11), "earth", "", 0.5)
    out.append(
        Planted(
            "pit",
            "pit",
            "land_occupation",
            "field",
            [(t, [rim]), (t + 12, [rim, Patch((x, y), (x + 6, y + 8), "pit", "", 0.2)])],
        )
    )
    x, y = rng.uniform(-34, -22), rng.uniform(36, 45)
    out.append(
        Planted(
            "bricks",
            "bricks",
            "material_stockpile",
            "yard",
            [(when(), [Box((x, y, 0), (x + 2.4, y + 1.6, 1.3), "brick", "brickwork")])],
        )
    )
    x, y, t = rng.uniform(-14, -11), rng.uniform(32, 44), hour(50, max(last - 10, 52))
    out.append(
        Planted(
            "car",
            "parked_car",
            "material_stockpile",
            "yard",
            [(t, vehicle(x, y, rng.uniform(0.05, 0.6, 3), along="y"))],
            t + 48,
        )
    )
    x, y = rng.uniform(6, 16), rng.uniform(36, 46)
    out.append(
        Planted(
            "beds",
            "bare_earth",
            "green_destruction",
            "green",
            [
                (
                    when(),
                    [
                        Patch(
                            (x, y),
                            (x + rng.uniform(6, 10), y + rng.uniform(4, 7)),
                            "earth",
                            "rows",
                            0.4,
                        )
                    ],
                )
            ],
        )
    )
    x, y, t = rng.uniform(-21, -16), rng.uniform(31, 35), when()
    heap = [
        Patch((x, y), (x + 4.5, y + 3.5), "earth", "", 0.5, True),
        Crown((x + 2.2, y + 1.8, 0), (1.9, 1.4, 1.1), "earth"),
    ]
    truck = vehicle(x, y - 2, (0.5, 0.3, 0.05), "y", (2.6, 7, 3))
    out.append(
        Planted("spoil", "spoil_heap", "material_stockpile", "yard", [(t, truck), (t + 0.4, heap)])
    )
    return out


def vehicle(x, y, colour, along="x", size=(1.8, 4.4, 1.5)):
    w, length, tall = size
    dx, dy = (length, w) if along == "x" else (w, length)
    colour = tuple(float(c) for c in colour)
    body = Box((x, y, 0.3), (x + dx, y + dy, tall * 0.6), "steel_grey", "", colour)
    inset = 0.22
    cabin = Box(
        (x + dx * inset, y + dy * inset, tall * 0.6),
        (x + dx * (1 - inset), y + dy * (1 - inset), tall),
        "glass",
    )
    return [body, cabin]


def person(x, y, colour):
    return [Box((x, y, 0), (x + 0.5, y + 0.4, 1.7), "wood", "", tuple(float(c) for c in colour))]


def _visits(rng, days):
    """Vehicles that park for some hours and leave: (from, to, objects)."""
    out = []
    for d in range(days):
        for _ in range(rng.integers(1, 4)):
            start = d * 24 + rng.uniform(7, 19)
            colour = rng.uniform(0.04, 0.7, 3)
            if rng.random() < 0.5:
                objects = vehicle(rng.uniform(-36, -10), rng.uniform(29, 46), colour, "y")
            else:
                objects = vehicle(rng.uniform(-40, 40), 65.5, colour)
            out.append((start, start + rng.uniform(0.5, 9), objects))
    return out
