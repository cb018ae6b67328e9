"""A sheet of what was found and what is false, each beside the earlier look of its place."""

import itertools

import cv2
import numpy as np

from footage import pictures_of, seconds

TILE = (240, 150)
CAPTION = 18
ACROSS = 2
NOON_H = 12
# Blue, green, red.
TRUTH, FOUND, FALSE = (255, 255, 255), (255, 200, 0), (60, 60, 255)


def tiles(scene, truth, found, planted, false):
    """One tile per planted change and per false outline of a scene: before and after, at noon."""
    noons = noon_pictures(scene, truth)

    def hours(at):
        return (at - seconds(truth["start"])) / 3600

    out = []
    for change, step, i, overlap in planted:
        since, until = (
            hours(seconds(change["from"])),
            hours(seconds(change["to"])) if change["to"] else np.inf,
        )
        reported = since if i is None else hours(found[i][0])
        how = (
            "missed"
            if i is None
            else f"reported after {reported - since:.0f} h, overlap {overlap:.2f}"
        )
        mask = None if i is None else found[i][1]
        out.append(
            tile(
                noons,
                (since, reported, until),
                np.array(step["outline"]),
                mask,
                f"{change['kind']}: {how}",
            )
        )
    for i in false:
        reported = hours(found[i][0])
        times = (reported - truth["decided_after_hours"], reported, np.inf)
        out.append(tile(noons, times, None, found[i][1], f"false, seed {truth['seed']}"))
    return out


def noon_pictures(scene, truth):
    """(scene hour, picture) of each day's noon."""
    hours = (n * truth["step_minutes"] / 60 for n in itertools.count())
    return [
        (hour, picture)
        for hour, picture in zip(hours, pictures_of(scene, truth["size"]), strict=False)
        if hour % 24 == NOON_H
    ]


def clearest(noons):
    return max(
        noons, key=lambda n: cv2.Laplacian(cv2.cvtColor(n[1], cv2.COLOR_BGR2GRAY), cv2.CV_32F).var()
    )


def tile(noons, times, outline, mask, text):
    """The clearest of three noons before the change and of three after its report, while it is
    there. Cropped around the truth's `outline` and the found `mask`; either may be None.
    """
    since, reported, until = times
    before = [n for n in noons if n[0] < since][-3:] or noons[:1]
    after = [n for n in noons if reported <= n[0] < until][:3] or noons[-1:]
    before, after = clearest(before)[1], clearest(after)[1].copy()
    h, w = before.shape[:2]
    marked = np.zeros((h, w), np.uint8)
    if outline is not None:
        ring = np.round(outline * [w, h]).astype(np.int32)
        cv2.fillPoly(marked, [ring], 1)
        cv2.polylines(after, [ring], True, TRUTH, 1, cv2.LINE_AA)
    if mask is not None:
        marked |= mask.astype(np.uint8)
        rings, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        cv2.drawContours(after, rings, -1, FALSE if outline is None else FOUND, 1, cv2.LINE_AA)
    x, y, bw, bh = cv2.boundingRect(marked)
    # Twice the size of the marked area, in the tile's aspect ratio, within the picture.
    wide = min(w, max(2 * bw, 2 * bh * TILE[0] / TILE[1], 96))
    high = min(h, wide * TILE[1] / TILE[0])
    left, top = (
        int(np.clip(at - size / 2, 0, most - size))
        for at, size, most in ((x + bw / 2, wide, w), (y + bh / 2, high, h))
    )

    def cut(p):
        return cv2.resize(
            p[top : top + int(high), left : left + int(wide)], TILE, interpolation=cv2.INTER_CUBIC
        )

    pair = cv2.hconcat([cut(before), cut(after)])
    pair = cv2.copyMakeBorder(pair, CAPTION, 2, 2, 2, cv2.BORDER_CONSTANT, value=(32, 32, 32))
    cv2.putText(
        pair, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (230, 230, 230), 1, cv2.LINE_AA
    )
    return pair


def sheet(tiles, path):
    """Writes all tiles as one JPEG, ACROSS in a row."""
    empty = np.full_like(tiles[0], 32)
    tiles = tiles + [empty] * (-len(tiles) % ACROSS)
    rows = [cv2.hconcat(tiles[i : i + ACROSS]) for i in range(0, len(tiles), ACROSS)]
    cv2.imwrite(str(path), cv2.vconcat(rows), [cv2.IMWRITE_JPEG_QUALITY, 78])
