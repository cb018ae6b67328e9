"""Contact sheets, to label pictures by eye and to check labels.

    python -m look.draw --coco annotations_train.json --source PPE --out runs/look/sheets
    python -m look.draw --labels labels/look.json --out runs/look/check

The first draws pictures with a grid, ten lines a side, numbered in pixels. The second draws the
boxes of a file of our labels, and below each picture its number in the sheet.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image, ImageDraw

from detector.dataset import shared_data

COLOURS = ["#ff4040", "#40ff40", "#50a0ff", "#ffd040", "#ff60ff", "#40ffff", "#ffffff", "#ff9030"]


def drawn(
    picture: Image.Image, title: str, boxes: list[list], side: int, grid: bool
) -> Image.Image:
    """The picture at a longest side of `side`, with boxes [x1, y1, x2, y2, class] in its pixels."""
    factor = side / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    canvas = Image.new("RGB", (side, side + 12), "#202020")
    canvas.paste(picture.resize(size, Image.Resampling.BICUBIC), (0, 12))
    pen = ImageDraw.Draw(canvas)
    pen.text((2, 0), title, fill="white")
    if grid:
        step = 50 if max(picture.size) <= 700 else 100
        for at in range(step, max(picture.size), step):
            where = at * factor
            if at < picture.width:
                pen.line(
                    [where, 12, where, 12 + size[1]], fill="#ffff0060" if at % 100 else "#ff8000"
                )
                pen.text(
                    (where + 1, 12), str(at), fill="#ffff00", stroke_width=1, stroke_fill="black"
                )
            if at < picture.height:
                pen.line(
                    [0, 12 + where, size[0], 12 + where], fill="#ffff00" if at % 100 else "#ff8000"
                )
                pen.text(
                    (1, 12 + where), str(at), fill="#ffff00", stroke_width=1, stroke_fill="black"
                )
    names = sorted({b[4] for b in boxes})
    for x1, y1, x2, y2, name in (b[:5] for b in boxes):
        colour = COLOURS[names.index(name) % len(COLOURS)]
        pen.rectangle(
            [x1 * factor, 12 + y1 * factor, x2 * factor, 12 + y2 * factor], outline=colour, width=2
        )
        pen.text(
            (x1 * factor + 2, 12 + y1 * factor),
            name,
            fill=colour,
            stroke_width=1,
            stroke_fill="black",
        )
    return canvas


def sheets(tiles: list[Image.Image], columns: int, rows: int, out: Path) -> int:
    """Writes the tiles as numbered PNG sheets; the number of sheets."""
    out.mkdir(parents=True, exist_ok=True)
    each = columns * rows
    for sheet, first in enumerate(range(0, len(tiles), each)):
        part = tiles[first : first + each]
        w, h = part[0].size
        page = Image.new("RGB", (columns * w, -(-len(part) // columns) * h))
        for n, tile in enumerate(part):
            page.paste(tile, (n % columns * w, n // columns * h))
        page.save(out / f"{sheet:03}.png")
    return -(-len(tiles) // each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--coco", type=Path, help="COCO file that lists the pictures")
    parser.add_argument("--source", default="", help="part of the source's name")
    parser.add_argument("--labels", type=Path, help="a file of our labels")
    parser.add_argument("--side", type=int, default=480)
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.labels:
        boxes = json.loads(args.labels.read_text(encoding="utf-8"))["boxes"]
    else:
        coco = json.loads(args.coco.read_text(encoding="utf-8"))
        boxes = {i["file_name"]: [] for i in coco["images"] if args.source in i["source"]}
    tiles = []
    for name, rows in boxes.items():
        with Image.open(shared_data() / name) as file:
            tiles.append(drawn(file.convert("RGB"), name, rows, args.side, grid=not args.labels))
    print(f"{args.out}: {sheets(tiles, args.columns, args.rows, args.out)} sheets")


if __name__ == "__main__":
    main()
