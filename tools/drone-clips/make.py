"""Makes testdata/clips/drone.{mp4,SRT,json} and drone_klv.ts: a flight over parked vans.

The yard is drawn and flat. The vans are at known positions. They are cut from
testdata/frames/street_000.jpg and stand like cards that always face the camera. The telemetry is
the true flight plus the fixed errors of a cheap receiver and compass. Every run gives the same
pictures.

    .cache/python/bin/python tools/drone-clips/make.py

Needs NumPy, Pillow, ffmpeg, and gst-launch-1.0 with mpegtsmux.
"""

import json
import math
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "testdata/clips"
WIDTH, HEIGHT, FPS, SECONDS = 960, 540, 10, 14
FOV = 60.0
FOCAL = WIDTH / 2 / math.tan(math.radians(FOV / 2))
LON, LAT, GROUND = 120.1614, 30.2931, 0.0
BEGAN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
# Vans: metres east and north of the origin, height in metres.
VANS = [(14.0, 36.0, 2.1), (-9.0, 44.0, 2.1)]
# Errors of the telemetry: metres east, north and up, degrees of heading.
ERROR = (1.6, -1.1, 0.8, 1.2)


def pose(second):
    """Metres east, north, up; heading and pitch in degrees."""
    east = -6.0 + 1.2 * second
    north = 2.0 * math.sin(second / 4)
    return (
        east,
        north,
        16.0 + 0.5 * math.sin(second / 3),
        7.0 * math.sin(second / 2.5),
        -21.0 + 1.5 * math.sin(second / 3.5),
    )


def axes(heading, pitch):
    """The camera's right, down and forward, each as east, north, up."""
    h, p = math.radians(heading), math.radians(pitch)
    forward = np.array([math.sin(h) * math.cos(p), math.cos(h) * math.cos(p), math.sin(p)])
    right = np.array([math.cos(h), -math.sin(h), 0.0])
    return right, np.cross(forward, right), forward


def texture(rng):
    """The yard from above: 160 m square, 20 pixels per metre, centred 40 m north of the origin."""
    size = 3200
    rough = Image.fromarray(
        (rng.random((size // 40, size // 40)) * 50 + 95).astype(np.uint8)
    ).resize((size, size), Image.BICUBIC)
    grain = Image.fromarray(
        (rng.random((size // 4, size // 4)) * 40 + 105).astype(np.uint8)
    ).resize((size, size), Image.BICUBIC)
    yard = Image.blend(rough, grain, 0.4).convert("RGB")
    draw = ImageDraw.Draw(yard)
    for line in range(12):
        x = 120 + line * 260
        draw.line([(x, 0), (x, size)], fill=(200, 200, 195), width=4)
    for _ in range(420):
        x, y, r = rng.integers(0, size), rng.integers(0, size), rng.integers(8, 46)
        shade = int(rng.integers(60, 150))
        draw.ellipse([x, y, x + r, y + r * 0.7], fill=(shade, shade, shade - 5))
    for _ in range(60):
        x, y = rng.integers(0, size, 2)
        draw.line(
            [(x, y), (x + rng.integers(-300, 300), y + rng.integers(-300, 300))],
            fill=(88, 88, 86),
            width=5,
        )
    return np.asarray(yard.filter(ImageFilter.GaussianBlur(1.2)), dtype=np.float32)


def van():
    """The white van of the street, with a soft edge."""
    street = Image.open(ROOT / "testdata/frames/street_000.jpg").convert("RGB")
    box = (650, 42, 726, 101)
    outline = [
        (655.5, 48),
        (663, 46),
        (709, 45),
        (714, 53),
        (723, 66),
        (722, 79),
        (721, 93),
        (713, 94),
        (700, 100),
        (660, 97),
        (652, 87),
    ]
    mask = Image.new("L", ((box[2] - box[0]) * 4, (box[3] - box[1]) * 4))
    ImageDraw.Draw(mask).polygon(
        [((x - box[0]) * 4, (y - box[1]) * 4) for x, y in outline], fill=255
    )
    cut = street.crop(box).resize(mask.size, Image.BICUBIC)
    return cut, mask.filter(ImageFilter.GaussianBlur(2))


def render(yard, card, second):
    east, north, up, heading, pitch = pose(second)
    right, down, forward = axes(heading, pitch)
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5 - WIDTH / 2, np.arange(HEIGHT) + 0.5 - HEIGHT / 2)
    ray = x[..., None] * right + y[..., None] * down + FOCAL * forward
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(ray[..., 2] < -1e-6, -up / ray[..., 2], np.inf)
    distance = reach * FOCAL
    column = (east + reach * ray[..., 0] + 80) * 20
    row = (80 - (north + reach * ray[..., 1] - 40)) * 20
    size = yard.shape[0]
    inside = np.isfinite(reach) & (column > 0) & (column < size - 1) & (row > 0) & (row < size - 1)
    c, r = np.where(inside, column, 0), np.where(inside, row, 0)
    c0, r0 = c.astype(int), r.astype(int)
    fc, fr = (c - c0)[..., None], (r - r0)[..., None]
    c1, r1 = np.minimum(c0 + 1, size - 1), np.minimum(r0 + 1, size - 1)
    ground = (yard[r0, c0] * (1 - fc) + yard[r0, c1] * fc) * (1 - fr) + (
        yard[r1, c0] * (1 - fc) + yard[r1, c1] * fc
    ) * fr
    haze = np.clip(np.where(inside, distance / 160, 1.0), 0, 1)[..., None] ** 2
    picture = Image.fromarray(
        (ground * (1 - haze) + np.array([168, 176, 184]) * haze).astype(np.uint8)
    )
    cut, mask = card
    for ve, vn, tall in sorted(VANS, key=lambda v: -v[1]):
        feet, head = (
            project(np.array([ve - east, vn - north, z - up]), right, down, forward)
            for z in (0.0, tall)
        )
        if feet is None or head is None:
            continue
        height = feet[1] - head[1]
        width = height * cut.width / cut.height
        # The wheels end a little above the lower edge of the cut-out.
        at = (round(feet[0] - width / 2), round(feet[1] - height * 0.985))
        shadow = Image.new("L", (round(width * 1.1), max(3, round(height * 0.16))))
        ImageDraw.Draw(shadow).ellipse([0, 0, shadow.width - 1, shadow.height - 1], fill=150)
        soft = shadow.filter(ImageFilter.GaussianBlur(2))
        picture.paste(
            (35, 35, 35),
            (round(feet[0] - width * 0.55), round(feet[1] - shadow.height * 0.75)),
            soft,
        )
        small = (max(1, round(width)), max(1, round(height)))
        picture.paste(cut.resize(small, Image.LANCZOS), at, mask.resize(small, Image.LANCZOS))
    return picture


def project(place, right, down, forward):
    ahead = place @ forward
    if ahead <= 0.1:
        return None
    return WIDTH / 2 + FOCAL * (place @ right) / ahead, HEIGHT / 2 + FOCAL * (place @ down) / ahead


def geodetic(east, north):
    """Longitude and latitude, correct to millimetres within a kilometre of the origin."""
    lat = math.radians(LAT)
    w = 1 - 0.00669437999014 * math.sin(lat) ** 2
    meridian, normal = 6378137 * (1 - 0.00669437999014) / w**1.5, 6378137 / math.sqrt(w)
    return LON + math.degrees(east / (normal * math.cos(lat))), LAT + math.degrees(north / meridian)


def telemetry_at(second):
    """The drone's telemetry: the true pose plus errors."""
    east, north, up, heading, pitch = pose(second)
    lon, lat = geodetic(east + ERROR[0], north + ERROR[1])
    return lon, lat, up + ERROR[2], (heading + ERROR[3]) % 360, pitch


def subtitles():
    def stamp(frame):
        ms = frame * 1000 // FPS
        return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"

    out = []
    for frame in range(FPS * SECONDS):
        lon, lat, up, heading, pitch = telemetry_at(frame / FPS)
        when = BEGAN + timedelta(milliseconds=frame * 1000 // FPS)
        heading = heading if heading <= 180 else heading - 360
        out.append(
            f"{frame + 1}\n{stamp(frame)} --> {stamp(frame + 1)}\n"
            f'<font size="28">FrameCnt: {frame + 1}, DiffTime: {1000 // FPS}ms\n'
            f"{when:%Y-%m-%d %H:%M:%S}.{when.microsecond // 1000:03}\n"
            "[iso: 100] [shutter: 1/500.0] [fnum: 2.8] [ev: 0] "
            f"[latitude: {lat:.6f}] [longitude: {lon:.6f}] "
            f"[rel_alt: {up:.3f} abs_alt: {up + 12:.3f}] "
            f"[gb_yaw: {heading:.1f} gb_pitch: {pitch:.1f} gb_roll: 0.0] </font>\n"
        )
    return "\n".join(out)


def packet(frame):
    """A MISB ST 0601 packet."""

    def unsigned(v, n, a, b):
        return round((v - a) / (b - a) * (2 ** (8 * n) - 1)).to_bytes(n, "big")

    def signed(v, n, m):
        return round(v / m * (2 ** (8 * n - 1) - 1)).to_bytes(n, "big", signed=True)

    lon, lat, up, heading, pitch = telemetry_at(frame / FPS)
    micros = round((BEGAN + timedelta(milliseconds=frame * 1000 // FPS)).timestamp() * 1e6)
    vertical = 2 * math.degrees(math.atan(HEIGHT / 2 / FOCAL))
    items = [
        (2, micros.to_bytes(8, "big")),
        (5, unsigned(heading, 2, 0, 360)),
        (6, signed(0, 2, 20)),
        (7, signed(0, 2, 50)),
        (13, signed(lat, 4, 90)),
        (14, signed(lon, 4, 180)),
        (15, unsigned(up + 12, 2, -900, 19000)),
        (16, unsigned(FOV, 2, 0, 180)),
        (17, unsigned(vertical, 2, 0, 180)),
        (18, unsigned(0, 4, 0, 360)),
        (19, signed(pitch, 4, 180)),
        (20, unsigned(0, 4, 0, 360)),
        (23, signed(lat, 4, 90)),
        (24, signed(lon, 4, 180)),
        (25, unsigned(12, 2, -900, 19000)),
        (65, b"\x0d"),
    ]
    body = b"".join(bytes([tag, len(value)]) + value for tag, value in items) + b"\x01\x02"
    length = len(body) + 2
    head = bytes.fromhex("060e2b34020b01010e01030101000000") + (
        bytes([length]) if length < 128 else bytes([0x81, length])
    )
    total = sum(b << (8 * ((i + 1) % 2)) for i, b in enumerate(head + body)) & 0xFFFF
    return head + body + total.to_bytes(2, "big")


def interleave(path):
    """Moves each telemetry packet before its frame, as a live sender does. mpegtsmux writes
    metadata without time stamps after all video.
    """
    stream = path.read_bytes()
    packets = [stream[at : at + 188] for at in range(0, len(stream), 188)]

    def pid(p):
        return (p[1] & 0x1F) << 8 | p[2]

    telemetry = [p for p in packets if pid(p) == 0x42]
    ordered = []
    for p in packets:
        if pid(p) == 0x41 and p[1] & 0x40 and telemetry:
            ordered.append(telemetry.pop(0))
        if pid(p) != 0x42:
            ordered.append(p)
    assert not telemetry and len(ordered) == len(packets), "one telemetry packet per frame"
    path.write_bytes(b"".join(ordered))


def main():
    yard, card = texture(np.random.default_rng(7)), van()
    video = OUT / "drone.mp4"
    command = (
        f"ffmpeg -y -loglevel error -f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {FPS} -i - "
        f"-an -c:v libx264 -preset slow -crf 31 -bf 0 -g {FPS} -keyint_min {FPS} -sc_threshold 0 "
        "-pix_fmt yuv420p -threads 1 -movflags +faststart"
    )
    with subprocess.Popen([*command.split(), str(video)], stdin=subprocess.PIPE) as encoder:
        for frame in range(FPS * SECONDS):
            encoder.stdin.write(render(yard, card, frame / FPS).tobytes())
        encoder.stdin.close()
    (OUT / "drone.SRT").write_text(subtitles())
    with tempfile.TemporaryDirectory() as folder:
        for frame in range(FPS * SECONDS):
            Path(folder, f"{frame:04}.klv").write_bytes(packet(frame))
        caps = f"meta/x-klv,parsed=(boolean)true,framerate=(fraction){FPS}/1"
        command = ["gst-launch-1.0", "-q", "mpegtsmux", "name=mux", "!", "filesink"]
        command += [f"location={OUT / 'drone_klv.ts'}", "filesrc", f"location={video}"]
        command += "! qtdemux ! h264parse config-interval=-1 ! mux. multifilesrc".split()
        command += [f"location={folder}/%04d.klv", f"caps={caps}", "!", "mux."]
        subprocess.run(command, check=True)
    interleave(OUT / "drone_klv.ts")
    vans = [
        dict(zip(("lon", "lat"), geodetic(east, north), strict=True)) for east, north, _ in VANS
    ]
    (OUT / "drone.json").write_text(
        json.dumps({"vans": vans, "fov_deg": FOV, "began": BEGAN.isoformat()}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
