"""Sun, sky and weather, and how a camera renders them."""

from dataclasses import dataclass

import cv2
import numpy as np

LATITUDE = 34.0


def sun(day_of_year, hour):
    """Unit vector to the sun: x east, y north, z up. Below the horizon if z < 0."""
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (day_of_year + 10) / 365)
    latitude, angle = np.radians(LATITUDE), np.radians(15 * (hour - 12))
    up = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        angle
    )
    east = -np.cos(declination) * np.sin(angle)
    north = np.cos(latitude) * np.sin(declination) - np.sin(latitude) * np.cos(
        declination
    ) * np.cos(angle)
    return np.array([east, north, up], np.float32)


@dataclass
class Weather:
    """Every value is 0 to 1. `snow` lies on surfaces that face up; `wet` darkens the ground."""

    cloud: float = 0.2
    rain: float = 0.0
    fog: float = 0.0
    snow: float = 0.0
    falling: float = 0.0
    wet: float = 0.0
    wind: float = 0.3


def plan_weather(rng, hours, winter):
    """Weather hour by hour: drifting cloud, spells of rain, morning fog, and in winter snow that
    falls, lies and melts.
    """
    out = [Weather() for _ in range(hours + 1)]
    cloud, wind = rng.random(), 0.3
    for w in out:
        cloud = float(np.clip(cloud + rng.normal(0, 0.13), 0, 1))
        wind = float(np.clip(wind + rng.normal(0, 0.08), 0.05, 1))
        w.cloud, w.wind = cloud, wind
    days = hours // 24
    for _ in range(max(1, round(days * 0.35))):
        start, length = rng.integers(0, hours), rng.integers(2, 12)
        strength = rng.uniform(0.3, 1.0)
        for h in range(start, min(start + length, hours)):
            out[h].rain, out[h].cloud = strength, max(out[h].cloud, 0.85)
            out[h].wind = max(out[h].wind, 0.5)
        for h in range(start, min(start + length + 6, hours)):
            out[h].wet = max(
                out[h].wet, 1.0 if h < start + length else 1 - (h - start - length) / 6
            )
    for d in range(days):
        if rng.random() < 0.18:
            for h in range(d * 24 + 5, min(d * 24 + 10, hours)):
                out[h].fog = rng.uniform(0.3, 0.9)
    if winter and days >= 5:
        start, cover = rng.integers(2 * 24, hours - 48), 0.0
        fall = rng.integers(4, 10)
        for h in range(start, hours):
            if h < start + fall:
                cover = min(1.0, cover + 0.2)
                out[h].falling, out[h].cloud = rng.uniform(0.4, 1), 1.0
                out[h].rain = 0.0
            elif 9 <= h % 24 <= 16:
                cover = max(0.0, cover - 0.07)
            out[h].snow = cover
    return out


class Shade:
    """Turns layers into pictures. Keeps the exposure from one picture to the next."""

    def __init__(self, camera, noise, rng):
        self.camera, self.noise, self.rng = camera, noise, rng
        self.exposure = None

    def shadow(self, position, normal, to_sun, casters, crowns, bare):
        """Share of sunlight that reaches each pixel, computed at half size."""
        from world import ellipsoid, slab

        h, w = position.shape[:2]
        p = position[::2, ::2] + normal[::2, ::2] * 0.15
        lit = np.ones(p.shape[:2], np.float32)
        rays = np.broadcast_to(to_sun, p.shape)
        for box in casters:
            near, far, _ = slab(p, rays, box.lo, box.hi)
            hit = (near < far) & (far > 0.05)
            if box.pattern == "bars":
                lit[hit] *= 0.65
            else:
                lit[hit] = 0
        for crown in crowns:
            through = np.isfinite(ellipsoid(p, rays, crown.centre, crown.radii))
            lit[through] *= 0.25 + 0.6 * bare
        return cv2.blur(cv2.resize(lit, (w, h), interpolation=cv2.INTER_LINEAR), (3, 3))

    def picture(self, scene, day_of_year, hour, weather, bare, casters, crowns, headlights):
        """An 8-bit BGR picture of composed layers (depth, position, normal, albedo, ir, leaf)."""
        depth, position, normal, albedo, ir, leaf = scene
        to_sun = sun(day_of_year, hour)
        night = to_sun[2] < -0.03
        snow = self._snow(position, normal, weather)
        sky = ~np.isfinite(depth)
        if night:
            falloff = np.clip(1.0 / (1 + (np.where(sky, 500, depth) / 70) ** 2), 0, 1)
            h, w = depth.shape
            yy, xx = np.mgrid[0:h, 0:w]
            spot = np.exp(-(((xx / w - 0.5) / 0.55) ** 2 + ((yy / h - 0.6) / 0.7) ** 2))
            value = (ir * (1 - snow) + 0.8 * snow) * (0.15 + falloff * spot * 1.6)
            value = value + headlights * 0.5
            light = np.repeat(value[..., None], 3, -1)
            light[sky] = 0.01
        else:
            lit = self.shadow(position, normal, to_sun, casters, crowns, bare)
            height = float(np.clip(to_sun[2], 0, 1))
            direct = (1 - weather.cloud) ** 1.5 * np.clip(height * 4, 0, 1)
            warm = np.array(
                [
                    1.0,
                    0.95 - 0.25 * (1 - min(height * 2.5, 1)),
                    0.88 - 0.5 * (1 - min(height * 2.5, 1)),
                ]
            )
            cosine = np.clip((normal * to_sun).sum(-1), 0, 1) * lit
            ambient = (0.25 + 0.35 * weather.cloud) * (0.12 + np.clip(height * 2, 0, 1))
            blue = np.array([0.85, 0.97, 1.15]) * (1 - weather.cloud) + weather.cloud
            up = 0.65 + 0.35 * normal[..., 2:]
            wet = 1 - 0.35 * weather.wet * np.clip(normal[..., 2:], 0, 1) * (1 - leaf[..., None])
            surface = albedo * wet * (1 - snow[..., None]) + 0.82 * snow[..., None]
            light = surface * (1.25 * direct * warm * cosine[..., None] + ambient * blue * up)
            haze = (0.5 + 0.4 * weather.cloud) * (0.1 + height) * np.array([0.9, 1.0, 1.1])
            light = np.where(sky[..., None], haze, light)
            thick = 0.0012 + 0.03 * weather.fog**2 + 0.004 * weather.rain + 0.006 * weather.falling
            veil = 1 - np.exp(-np.where(sky, 3000, depth) * thick)
            light = light * (1 - veil[..., None]) + haze * veil[..., None]
        return self._camera(light.astype(np.float32), night, weather)

    def _snow(self, position, normal, weather):
        if weather.snow <= 0:
            return np.zeros(position.shape[:2], np.float32)
        where = self.noise.at("broad", position[..., 0], position[..., 1], 2.5)
        return ((normal[..., 2] > 0.6) & (where < -2.5 + 5.5 * weather.snow)).astype(
            np.float32
        ) * 0.95

    def _camera(self, light, night, weather):
        """Exposure, shake, drops, sensor noise, gamma."""
        rng = self.rng
        h, w = light.shape[:2]
        target = 0.16 if night else 0.22
        wanted = target / max(float(light.mean()), 1e-4)
        self.exposure = wanted if self.exposure is None else 0.3 * self.exposure + 0.7 * wanted
        picture = light * self.exposure
        if weather.rain > 0 or weather.falling > 0:
            picture = self._drops(picture, weather)
        sway = 0.15 + 1.6 * weather.wind**2
        dx, dy = rng.normal(0, sway * w / 960, 2)
        turn = np.radians(rng.normal(0, 0.02 * weather.wind))
        c, s = np.cos(turn), np.sin(turn)
        matrix = np.array(
            [[c, -s, dx + (1 - c) * w / 2 + s * h / 2], [s, c, dy - s * w / 2 + (1 - c) * h / 2]]
        )
        picture = cv2.warpAffine(
            picture, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        gain = np.clip(self.exposure / (6 if night else 3), 0.3, 3)
        picture = (
            picture
            + rng.normal(0, 1, picture.shape[:2])[..., None].astype(np.float32) * 0.006 * gain
        )
        if not night:
            picture = picture + rng.normal(0, 0.003 * gain, picture.shape).astype(np.float32)
            picture = picture * rng.normal(1, 0.015, 3)
        picture = np.clip(picture, 0, 1) ** (1 / 2.2)
        return (picture[..., ::-1] * 255).astype(np.uint8)

    def _drops(self, picture, weather):
        rng = self.rng
        h, w = picture.shape[:2]
        streaks = np.zeros((h, w), np.float32)
        n = int((weather.rain * 350 + weather.falling * 900) * w * h / 518400)
        x, y = rng.integers(0, w, n), rng.integers(0, h, n)
        length = 3 if weather.falling else 14
        for i in range(n):
            cv2.line(
                streaks,
                (int(x[i]), int(y[i])),
                (int(x[i] + 2), int(y[i] + length)),
                float(rng.uniform(0.3, 1)),
                1,
            )
        return picture + 0.10 * cv2.blur(streaks, (2, 2))[..., None]
