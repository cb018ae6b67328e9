"""Makes hill/: a terrain model, a rendered picture and surveyed points of one camera, with the
truth.

The truth comes from PROJ and the formulas of this file, not from Lintel's code. The same command
makes the same files:

    pip install numpy pyproj pillow && python make_hill.py
"""

import math
import pathlib
import struct
import zlib

import numpy
from PIL import Image, ImageDraw
from pyproj import Proj, Transformer

OUT = pathlib.Path(__file__).parent / "hill"
EPSG = 32651
HOME = (120.6200, 29.7100)
CELLS, CELL_M = 128, 20.0
SIZE = (960, 540)
FOCAL, K1, K2 = 820.0, -0.07, 0.01
HEADING, PITCH, ROLL, MAST_M = 52.0, -8.0, 0.8, 35.0
PIXEL_NOISE, SURVEY_NOISE = 0.7, 0.1

to_grid = Transformer.from_crs(4326, EPSG, always_xy=True)
to_ecef = Transformer.from_crs(4979, 4978, always_xy=True)
random = numpy.random.default_rng(20260501)


def terrain():
    """Heights by rows from the north, rounded to centimetres, at the centres of the cells."""
    east0, north0 = to_grid.transform(*HOME)
    left, top = round(east0) - CELLS * CELL_M / 2, round(north0) + CELLS * CELL_M / 2
    east = left + (numpy.arange(CELLS) + 0.5) * CELL_M - east0
    north = top - (numpy.arange(CELLS) + 0.5) * CELL_M - north0
    e, n = numpy.meshgrid(east, north)
    height = (
        120
        + 90 * numpy.exp(-((e + 50) ** 2 + (n + 30) ** 2) / (2 * 260**2))
        + 28 * numpy.sin(e / 210) * numpy.cos(n / 260)
        + 9 * numpy.sin(e / 75 + 1) * numpy.sin(n / 90)
        + 55 * numpy.exp(-((e - 900) ** 2 + (n - 650) ** 2) / (2 * 180**2))
    )
    return numpy.round(height, 2).astype("<f4"), left, top


def write_geotiff(path, heights, left, top):
    rows, columns = heights.shape
    data = zlib.compress(heights.tobytes(), 9)
    geo_keys = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, EPSG]
    short, long, double = 3, 4, 12
    tags = [
        (256, long, [columns]),
        (257, long, [rows]),
        (258, short, [32]),
        (259, short, [8]),
        (262, short, [1]),
        (273, long, [0]),
        (277, short, [1]),
        (278, long, [rows]),
        (279, long, [len(data)]),
        (339, short, [3]),
        (33550, double, [CELL_M, CELL_M, 0.0]),
        (33922, double, [0, 0, 0, left, top, 0.0]),
        (34735, short, geo_keys),
    ]
    code = {short: "H", long: "I", double: "d"}
    entries, extra = b"", b""
    start = 8 + 2 + 12 * len(tags) + 4
    at_data = start + sum(
        len(v) * struct.calcsize(code[t])
        for _, t, v in tags
        if len(v) * struct.calcsize(code[t]) > 4
    )
    for tag, kind, values in tags:
        if tag == 273:
            values = [at_data]
        packed = struct.pack(f"<{len(values)}{code[kind]}", *values)
        if len(packed) > 4:
            entries += struct.pack("<HHII", tag, kind, len(values), start + len(extra))
            extra += packed
        else:
            entries += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    header = (
        b"II*\0"
        + struct.pack("<I", 8)
        + struct.pack("<H", len(tags))
        + entries
        + struct.pack("<I", 0)
    )
    path.write_bytes(header + extra + data)


heights, left, top = terrain()


def height_at(e, n):
    """Height by bilinear interpolation; arguments in easting and northing."""
    c, r = (e - left) / CELL_M - 0.5, (top - n) / CELL_M - 0.5
    c0, r0 = (
        numpy.clip(numpy.floor(c).astype(int), 0, CELLS - 2),
        numpy.clip(numpy.floor(r).astype(int), 0, CELLS - 2),
    )
    x, y = c - c0, r - r0
    h = heights.astype(float)
    upper = h[r0, c0] * (1 - x) + h[r0, c0 + 1] * x
    lower = h[r0 + 1, c0] * (1 - x) + h[r0 + 1, c0 + 1] * x
    inside = (c >= 0) & (r >= 0) & (c <= CELLS - 1) & (r <= CELLS - 1)
    return numpy.where(inside, upper * (1 - y) + lower * y, numpy.nan)


home_grid = to_grid.transform(*HOME)
camera_alt = float(height_at(*map(numpy.array, home_grid))) + MAST_M


def rotation():
    h, p, r = (math.radians(v) for v in (HEADING, PITCH, ROLL))
    forward = numpy.array([math.sin(h) * math.cos(p), math.cos(h) * math.cos(p), math.sin(p)])
    level = numpy.array([math.cos(h), -math.sin(h), 0.0])
    down = numpy.cross(forward, level)
    return numpy.array(
        [
            level * math.cos(r) + down * math.sin(r),
            down * math.cos(r) - level * math.sin(r),
            forward,
        ]
    )


R = rotation()
lon, lat = (math.radians(v) for v in HOME)
AXES = numpy.array(
    [
        [-math.sin(lon), math.cos(lon), 0],
        [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)],
        [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)],
    ]
)
CENTER = numpy.array(to_ecef.transform(*HOME, camera_alt))
factors = Proj(EPSG).get_factors(*HOME)
CONVERGENCE, SCALE = math.radians(factors.meridian_convergence), factors.meridional_scale


def directions(x, y):
    xd, yd = (x - SIZE[0] / 2) / FOCAL, (y - SIZE[1] / 2) / FOCAL
    rd = numpy.hypot(xd, yd)
    r = rd.copy()
    for _ in range(50):
        r = rd / (1 + K1 * r**2 + K2 * r**4)
    s = numpy.where(rd > 0, r / numpy.maximum(rd, 1e-12), 1.0)
    rays = numpy.stack([xd * s, yd * s, numpy.ones_like(xd)], -1) @ R
    return rays / numpy.linalg.norm(rays, axis=-1, keepdims=True)


def near_grid(rays, t):
    """Easting, northing, altitude, correct to centimetres: for rendering, not for surveying."""
    east, north, up = rays[..., 0] * t, rays[..., 1] * t, rays[..., 2] * t
    e = home_grid[0] + SCALE * (east * math.cos(CONVERGENCE) - north * math.sin(CONVERGENCE))
    n = home_grid[1] + SCALE * (north * math.cos(CONVERGENCE) + east * math.sin(CONVERGENCE))
    return e, n, camera_alt + up + (east**2 + north**2) / (2 * 6_371_000.0)


def meet(rays):
    """Metres to the ground, NaN where a ray misses it."""
    hit = numpy.full(rays.shape[:-1], numpy.nan)
    before = numpy.zeros_like(hit)
    t = 5.0
    while t < 1900:
        e, n, alt = near_grid(rays, t)
        new = numpy.isnan(hit) & (alt <= height_at(e, n))
        hit[new] = t
        before[numpy.isnan(hit)] = t
        t *= 1.012
    low, high = before.copy(), hit.copy()
    for _ in range(24):
        middle = (low + high) / 2
        e, n, alt = near_grid(rays, middle)
        below = alt <= height_at(e, n)
        high, low = numpy.where(below, middle, high), numpy.where(below, low, middle)
    return high


def exact(pixel):
    """The ground point of a pixel: longitude, latitude, altitude, and metres to it; or None."""
    from_ecef = Transformer.from_crs(4978, 4979, always_xy=True)
    ray = directions(numpy.array([pixel[0]]), numpy.array([pixel[1]]))[0]
    guess = float(meet(ray[None])[0])
    if not guess < 1800:
        return None

    def place(t):
        return from_ecef.transform(*(CENTER + AXES.T @ ray * t))

    low, high = guess - 3, guess + 3
    for _ in range(60):
        t = (low + high) / 2
        p = place(t)
        under = p[2] <= float(height_at(*map(numpy.array, to_grid.transform(p[0], p[1]))))
        low, high = (low, t) if under else (t, high)
    assert guess - 2.9 < high < guess + 2.9, "the coarse search was too coarse"
    return (*place(high), high)


def value_noise(e, n, cell, seed):
    table = numpy.random.default_rng(seed).random((256, 256))
    x, y = e / cell, n / cell
    x0, y0 = numpy.floor(x).astype(int), numpy.floor(y).astype(int)
    u, v = x - x0, y - y0
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)

    def at(i, j):
        return table[(y0 + j) % 256, (x0 + i) % 256]

    return (at(0, 0) * (1 - u) + at(1, 0) * u) * (1 - v) + (at(0, 1) * (1 - u) + at(1, 1) * u) * v


def picture(points):
    x, y = numpy.meshgrid(numpy.arange(SIZE[0]) + 0.5, numpy.arange(SIZE[1]) + 0.5)
    rays = directions(x, y)
    t = meet(rays)
    ground = ~numpy.isnan(t)
    e, n, _ = near_grid(rays, numpy.where(ground, t, 10.0))
    rise_e = (height_at(e + 8, n) - height_at(e - 8, n)) / 16
    rise_n = (height_at(e, n + 8) - height_at(e, n - 8)) / 16
    light = numpy.nan_to_num(
        (0.75 + 0.8 * rise_e - 0.5 * rise_n) / numpy.sqrt(1 + rise_e**2 + rise_n**2), nan=0.7
    )
    fields = value_noise(numpy.floor(e / 46) * 17.3, numpy.floor(n / 34) * 11.9, 1.0, 5)
    fine = 0.6 * value_noise(e, n, 3.0, 6) + 0.4 * value_noise(e, n, 0.8, 7)
    shade = (0.55 + 0.5 * fine) * numpy.clip(light, 0.2, 1.2)
    colour = (
        numpy.stack([105 + 90 * fields, 130 + 40 * fields, 70 + 35 * fields], -1) * shade[..., None]
    )
    road = (numpy.abs((e - home_grid[0]) - 0.6 * (n - home_grid[1]) - 120) < 4) | (
        numpy.abs(n - home_grid[1] - 330) < 4
    )
    colour[road] = 165 * shade[road][:, None]
    haze = numpy.clip(numpy.nan_to_num(t, nan=4000) / 4200, 0, 1)[..., None]
    sky = numpy.stack([170 + 0.12 * y, 190 + 0.09 * y, 215 + 0.05 * y], -1)
    colour = numpy.where(ground[..., None], colour * (1 - haze) + sky * haze, sky)
    image = Image.fromarray(numpy.clip(colour, 0, 255).astype("uint8"))
    draw = ImageDraw.Draw(image)
    for px, py, *_ in points:
        draw.rectangle([px - 4, py - 4, px + 3, py + 3], outline=(20, 20, 20), fill=(245, 245, 245))
        draw.rectangle([px - 4, py - 4, px - 1, py - 1], fill=(20, 20, 20))
        draw.rectangle([px, py, px + 3, py + 3], fill=(20, 20, 20))
    return image


def survey():
    wanted = [
        (90, 500),
        (300, 515),
        (520, 490),
        (760, 520),
        (905, 470),
        (180, 400),
        (430, 380),
        (660, 395),
        (860, 360),
        (70, 300),
        (330, 285),
        (560, 270),
        (770, 262),
        (915, 300),
        (480, 225),
        (640, 232),
    ]
    points = []
    for pixel in wanted:
        found = exact(pixel)
        if found:
            points.append((*pixel, *found))
    return points


OUT.mkdir(exist_ok=True)
write_geotiff(OUT / "dem.tif", heights, left, top)
points = survey()
picture(points).save(OUT / "hill.jpg", quality=82)
lines = [
    "# Made by make_hill.py: pixels are off by 0.7 px, places by 0.1 m (standard deviations).",
    "name,x,y,lon,lat,alt",
]
for i, (x, y, lon, lat, alt, distance) in enumerate(points):
    u, v = numpy.array([x, y]) + random.normal(0, PIXEL_NOISE, 2)
    e, n, up = random.normal(0, SURVEY_NOISE, 3)
    lon += e / (111_320 * math.cos(math.radians(lat)))
    lat += n / 110_850
    # Every fifth point takes its height from the terrain model.
    written = "" if i % 5 == 4 else f"{alt + up:.3f}"
    lines.append(f"G{i + 1},{u:.1f},{v:.1f},{lon:.8f},{lat:.8f},{written}")
    print(f"G{i + 1}: {distance:.0f} m")
(OUT / "points.csv").write_text("\n".join(lines) + "\n")
(OUT / "truth.toml").write_text(
    "# What make_hill.py made the picture and the points with.\n"
    f"lon = {HOME[0]}\nlat = {HOME[1]}\nalt = {camera_alt:.4f}\n"
    f"heading_deg = {HEADING}\npitch_deg = {PITCH}\nroll_deg = {ROLL}\n"
    f"focal_px = {FOCAL}\nk1 = {K1}\nk2 = {K2}\n"
)
