"""Scores `lintel compare` on labelled pairs of real pictures: pixel F1 and object F1.

    python pairs.py LINTEL FOLDER DOCS

FOLDER has one folder per data set (LEVIR-CD, DSIFN) with A (before), B (after) and label (white is
changed). The pairs are already registered, so registration is not scored. Nothing is learnt from
them, but the limits of `src/compare` were checked on these very pairs, so the figures flatter a
little. An object is found if findings cover half of it. A finding is right if half of it lies on
labelled change.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np


def found_in(lintel, before, after, shape):
    mask = np.zeros(shape, np.uint8)
    with tempfile.TemporaryDirectory() as out:
        run = subprocess.run(
            [lintel, "compare", before, after, "--aligned", "--out", out],
            capture_output=True,
            text=True,
        )
        if run.returncode != 0:
            return mask > 0, run.stderr.strip().splitlines()[-1]
        for feature in json.loads((Path(out) / "changes.geojson").read_text())["features"]:
            ring = np.round(np.array(feature["properties"]["outline_px"])).astype(np.int32)
            cv2.fillPoly(mask, [ring], 1)
    return mask > 0, None


def objects(mask, other):
    """Of the larger parts of a mask: how many lie at least half on the other mask; all of them."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    parts = [labels == i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= 30]
    return sum((part & other).sum() * 2 >= part.sum() for part in parts), len(parts)


def f1(hits, found, wanted, hits_wanted=None):
    precision, recall = (
        hits / max(found, 1),
        (hits if hits_wanted is None else hits_wanted) / max(wanted, 1),
    )
    return 2 * precision * recall / max(precision + recall, 1e-9)


def main():
    lintel, folder, docs = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    lines = ["| set | pairs | pixel F1 | object F1 |", "|---|---|---|---|"]
    for data in sorted(p for p in folder.iterdir() if (p / "A").is_dir()):
        pixels, parts, pairs = np.zeros(3), np.zeros(4), 0
        for before in sorted((data / "A").iterdir()):
            label = next((data / "label").glob(before.stem + ".*"))
            truth = cv2.imread(str(label), cv2.IMREAD_GRAYSCALE) > 127
            found, why = found_in(lintel, before, data / "B" / before.name, truth.shape)
            pairs += 1
            if why:
                print(f"{data.name} {before.name}: {why}", file=sys.stderr)
            pixels += [(found & truth).sum(), found.sum(), truth.sum()]
            parts += [*objects(found, truth), *objects(truth, found)]
        lines.append(
            f"| {data.name} | {pairs} | {f1(*pixels):.2f} "
            f"| {f1(parts[0], parts[1], parts[3], parts[2]):.2f} |"
        )
    text = docs.read_text()
    begin, end = "<!-- pairs of make change-report -->\n", "<!-- end of pairs -->"
    head, rest = text.split(begin)
    docs.write_text(head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])
    print("\n".join(lines))


if __name__ == "__main__":
    main()
