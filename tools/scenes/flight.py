"""Two flights over the same ground, with changes planted between them and their truth.

    python flight.py --seed 4 --out DIR

writes
- DIR/before/*.jpg and DIR/after/*.jpg: a drone's stills with DJI's XMP, from two positions, with
  different heights, headings and light, and other cars;
- DIR/before.tif and DIR/after.tif: mosaics;
- DIR/truth.geojson.

Run it with the Python of tools/scenes/make.sh.
"""

import argparse
import json
import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

PER_M = 8
EAST, NORTH = 180, 140
LON, LAT = 120.1551, 30.2741
DEGREE = 111320.0
FOCAL, WIDTH, HEIGHT = 820.0, 960, 720


def ground(rng):
    """The bare ground: linear 0 to 1, PER_M pixels per metre, north up."""
    h, w = NORTH * PER_M, EAST * PER_M

    def cloud(size, seed):
        small = (
            np.random.default_rng(seed)
            .random((max(h // size, 2), max(w // size, 2)))
            .astype(np.float32)
        )
        return cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)

    texture = 0.5 * cloud(4, 1) + 0.3 * cloud(16, 2) + 0.2 * cloud(90, 3)
    base = np.array([0.24, 0.36, 0.14], np.float32) * (0.55 + 0.9 * texture)[..., None]
    fields = [
        ((6, 8, 70, 52), (0.40, 0.36, 0.20), 1.1),
        ((96, 6, 174, 56), (0.20, 0.38, 0.12), 1.6),
        ((6, 96, 60, 134), (0.30, 0.42, 0.16), 1.3),
    ]
    for (x0, y0, x1, y1), colour, furrow in fields:
        rows = 1 + 0.12 * np.sign(
            np.sin(np.arange(x0 * PER_M, x1 * PER_M) / PER_M * 2 * np.pi / furrow)
        )
        part = base[y0 * PER_M : y1 * PER_M, x0 * PER_M : x1 * PER_M]
        part[:] = (
            np.array(colour, np.float32)
            * (0.6 + 0.8 * texture[y0 * PER_M : y1 * PER_M, x0 * PER_M : x1 * PER_M])[..., None]
            * rows[None, :, None]
        )
    box(base, (0, 66, EAST, 74), (0.30, 0.30, 0.31), texture)
    box(base, (82, 0, 89, NORTH), (0.28, 0.28, 0.29), texture)
    for x in range(2, EAST, 6):
        box(base, (x, 69.8, x + 3, 70.1), (0.8, 0.8, 0.78))
    return base, texture


def box(picture, rect, colour, texture=None, ribs=0.0):
    x0, y0, x1, y1 = (round(v * PER_M) for v in rect)
    part = picture[y0:y1, x0:x1]
    shade = 1.0 if texture is None else (0.7 + 0.6 * texture[y0:y1, x0:x1])[..., None]
    part[:] = np.array(colour, np.float32) * shade
    if ribs:
        part *= (1 + 0.12 * np.sign(np.sin(np.arange(part.shape[1]) / PER_M * 2 * np.pi / ribs)))[
            None, :, None
        ]


def house(picture, rect, roof, sun, tall=5.0):
    """A roof with its ridge, and its shadow on the ground."""
    x0, y0, x1, y1 = rect
    dx, dy = sun[0] * tall, sun[1] * tall
    shadow = np.zeros(picture.shape[:2], np.uint8)
    for t in np.linspace(0, 1, 12):
        a, b, c, d = (
            round(v * PER_M) for v in (x0 + t * dx, y0 + t * dy, x1 + t * dx, y1 + t * dy)
        )
        shadow[max(b, 0) : d, max(a, 0) : c] = 1
    picture[shadow > 0] *= 0.45
    box(picture, rect, roof, ribs=0.9)
    box(picture, (x0, y0, x1, (y0 + y1) / 2), tuple(0.78 * v for v in roof), ribs=0.9)


def car(picture, x, y, colour, along):
    w, h = (4.4, 1.8) if along else (1.8, 4.4)
    box(picture, (x + 0.4, y + 0.5, x + w + 0.4, y + h + 0.5), (0.1, 0.1, 0.1))
    box(picture, (x, y, x + w, y + h), colour)


def day(rng, later, texture_of):
    """The whole ground on one day: light, cars, and on the later day the planted changes."""
    base, texture = texture_of
    picture = base.copy()
    sun = (0.9, 0.5) if later else (0.5, 0.9)
    truth = []
    for x, y, w, h, roof in [
        (12, 78, 14, 10, (0.50, 0.22, 0.17)),
        (36, 79, 12, 9, (0.36, 0.37, 0.40)),
        (98, 80, 16, 11, (0.48, 0.25, 0.20)),
        (122, 82, 13, 9, (0.34, 0.34, 0.38)),
        (150, 79, 15, 12, (0.52, 0.26, 0.18)),
        (104, 112, 18, 12, (0.40, 0.40, 0.43)),
    ]:
        house(picture, (x, y, x + w, y + h), roof, sun)
    for _ in range(26):
        x, y, r = rng.uniform(64, 176), rng.uniform(100, 134), rng.uniform(1.4, 2.6)
        if 98 < x < 128 or 132 < x < 168:
            continue
        cv2.circle(
            picture,
            (round((x + 0.8 * sun[0] * r) * PER_M), round((y + 0.8 * sun[1] * r) * PER_M)),
            round(r * PER_M),
            (0.08, 0.11, 0.06),
            -1,
        )
        cv2.circle(
            picture, (round(x * PER_M), round(y * PER_M)), round(r * PER_M), (0.10, 0.21, 0.07), -1
        )
    if later:
        house(picture, (136, 104, 160, 120), (0.16, 0.32, 0.62), sun, 6)
        truth.append(("built_up", [(136, 104), (160, 104), (160, 120), (136, 120)]))
        pit = np.array([(108, 16), (142, 14), (146, 40), (126, 46), (107, 36)], np.float32)
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(pit * PER_M).astype(np.int32)], 1)
        earth = np.array([0.52, 0.37, 0.22], np.float32) * (0.6 + 0.8 * texture)[..., None]
        picture[mask > 0] = earth[mask > 0]
        truth.append(("cleared", [tuple(map(float, p)) for p in pit]))
        for _ in range(900):
            a, r = rng.uniform(0, 2 * math.pi), rng.uniform(0, 1) ** 0.5
            cx, cy = 66 + 6.5 * r * math.cos(a), 58 + 4.0 * r * math.sin(a)
            light = (
                0.75
                + 0.5 * (math.cos(a) * sun[0] + math.sin(a) * sun[1]) * -r
                + rng.uniform(-0.2, 0.2)
            )
            cv2.circle(
                picture,
                (round(cx * PER_M), round(cy * PER_M)),
                round(rng.uniform(0.2, 0.45) * PER_M),
                tuple(float(v * light) for v in (0.58, 0.46, 0.32)),
                -1,
            )
        truth.append(
            (
                "stockpile",
                [
                    (66 + 6.7 * math.cos(t), 58 + 4.2 * math.sin(t))
                    for t in np.linspace(0, 2 * math.pi, 16, endpoint=False)
                ],
            )
        )
    for _ in range(9):
        colour = tuple(
            float(v) for v in rng.choice([0.1, 0.3, 0.6, 0.85]) * rng.uniform(0.8, 1.1, 3)
        )
        if rng.random() < 0.6:
            car(picture, rng.uniform(4, 170), rng.choice([67.2, 71.4]), colour, True)
        else:
            car(picture, rng.choice([82.9, 86.3]), rng.uniform(4, 130), colour, False)
    tint = np.array([1.05, 0.97, 0.84] if later else [0.96, 1.0, 1.04], np.float32) * (
        0.86 if later else 1.0
    )
    return picture * tint, truth


def developed(linear, rng):
    noise = rng.normal(0, 0.008, linear.shape).astype(np.float32)
    return (np.clip(np.clip(linear, 0, 1) ** (1 / 2.0) + noise, 0, 1) * 255).astype(np.uint8)


def still(picture, east, north, height, heading):
    """The view straight down from there; the top of the picture points to `heading`."""
    scale = height / FOCAL * PER_M
    a = math.radians(heading)
    right, down = np.array([math.cos(a), math.sin(a)]), np.array([-math.sin(a), math.cos(a)])
    centre = np.array([east * PER_M, (NORTH - north) * PER_M])
    m = np.column_stack(
        [right * scale, down * scale, centre - scale * (right * WIDTH / 2 + down * HEIGHT / 2)]
    )
    return cv2.warpAffine(
        picture,
        m,
        (WIDTH, HEIGHT),
        flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )


def lon_lat(east, north):
    return LON + east / (DEGREE * math.cos(math.radians(LAT))), LAT + north / DEGREE


def save_still(path, picture, east, north, height, heading):
    lon, lat = lon_lat(east, north)
    facts = {
        "GpsLatitude": f"{lat:.8f}",
        "GpsLongitude": f"{lon:.8f}",
        "AbsoluteAltitude": f"{height + 20:+.2f}",
        "RelativeAltitude": f"{height:+.2f}",
        "GimbalRollDegree": "+0.00",
        "GimbalYawDegree": f"{heading:+.2f}",
        "GimbalPitchDegree": "-90.00",
        "CalibratedFocalLength": f"{FOCAL:.6f}",
    }
    attributes = " ".join(f'drone-dji:{k}="{v}"' for k, v in facts.items())
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'rdf:about="" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" '
        f"{attributes}/></rdf:RDF></x:xmpmeta>"
    )
    _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    data = jpeg.tobytes()
    path.write_bytes(
        data[:2] + b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet + data[2:]
    )


def save_mosaic(path, picture):
    small = cv2.resize(picture, (EAST * 3, NORTH * 3), interpolation=cv2.INTER_AREA)
    (west, south), (east, north) = lon_lat(0, 0), lon_lat(EAST, NORTH)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[33550], tags.tagtype[33550] = (
        ((east - west) / small.shape[1], (north - south) / small.shape[0], 0.0),
        12,
    )
    tags[33922], tags.tagtype[33922] = (0.0, 0.0, 0.0, west, north, 0.0), 12
    tags[34735], tags.tagtype[34735] = (
        (1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4490),
        3,
    )
    Image.fromarray(small).save(path, tiffinfo=tags, compression="tiff_adobe_deflate")


def main():
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--seed", type=int, required=True)
    ask.add_argument("--out", type=Path, required=True)
    args = ask.parse_args()
    rng = np.random.default_rng(args.seed)
    bare = ground(rng)
    views = {
        "before": [(58, 62, 84, 2.0), (122, 70, 84, 2.0)],
        "after": [(62, 66, 92, 11.0), (126, 64, 90, -7.0)],
    }
    for name, later in (("before", False), ("after", True)):
        linear, truth = day(np.random.default_rng([args.seed, 7]), later, bare)
        picture = developed(linear, rng)
        folder = args.out / name
        folder.mkdir(parents=True, exist_ok=True)
        for i, view in enumerate(views[name]):
            save_still(folder / f"DJI_{10 * (1 + later) + i:04}.jpg", still(picture, *view), *view)
        save_mosaic(args.out / f"{name}.tif", picture)
    features = []
    for kind, ring in truth:
        points = [list(lon_lat(x, NORTH - y)) for x, y in ring]
        features.append(
            {
                "type": "Feature",
                "properties": {"kind": kind},
                "geometry": {"type": "Polygon", "coordinates": [points + points[:1]]},
            }
        )
    (args.out / "truth.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
