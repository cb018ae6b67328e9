#!/usr/bin/env python3
"""Measures the sentences of the project's pages, and fails where they are too long.

    scripts/prose.py [PAGE...]

Prints for each page the number of sentences, the words of the mean and of the longest sentence, and
the prose lines over 100 columns. Exits 1 if a page's mean reaches 18 words, a sentence has more
than 45, or a prose line is too wide. Code, tables, headings and link definitions do not count. A
piece of code is one word, and so are two Chinese characters.
"""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

MEAN, LONGEST, COLUMNS = 18.0, 45, 100

FENCE = re.compile(r"^\s*(```|~~~)")
APART = re.compile(r"^\s*(\||#|<!--|\[[^\]]+\]:\s)")
ITEM = re.compile(r"^\s*([-*+]|\d+\.)\s+")
HAN = re.compile(r"[\u3400-\u9fff]")
END = re.compile(r"(?:[.!?]['\")*_]*(?=\s|$))|[\u3002\uff01\uff1f]")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|art|No|St)|\b[A-Z])\.$")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines of prose with their numbers; an empty line between two blocks."""
    fenced = comment = False
    before_blank, in_list = True, False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
            yield number, ""
            continue
        comment = comment or line.lstrip().startswith("<!--")
        if fenced or comment or APART.match(line):
            comment = comment and "-->" not in line
            yield number, ""
            continue
        item = bool(ITEM.match(line))
        in_list = item or (in_list and (not line.strip() or line.startswith(" ")))
        if line.startswith("    ") and not in_list and before_blank:
            yield number, ""  # indented code, which goes on until a line that is not
            continue
        before_blank = not line.strip()
        yield number, line


def blocks(text: str) -> Iterator[str]:
    """Paragraphs and list items, each as one line."""
    block: list[str] = []
    for _, line in prose(text):
        if block and (not line.strip() or ITEM.match(line)):
            yield " ".join(block)
            block = []
        if line.strip():
            block.append(ITEM.sub("", line).strip())
    if block:
        yield " ".join(block)


def plain(block: str) -> str:
    """A block as it reads: code as one word, links as their text, pictures as nothing."""
    block = re.sub(r"`+[^`]*`+", "code", block)
    block = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", block)
    block = re.sub(r"\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])", r"\1", block)
    return re.sub(r"<[^>]+>|\*\*|__", "", block)


def sentences(block: str) -> Iterator[str]:
    """The sentences of a plain block."""
    start = 0
    for end in END.finditer(block):
        if not ABBREVIATION.search(block[start : end.end()]):
            yield block[start : end.end()].strip()
            start = end.end()
    if block[start:].strip():
        yield block[start:].strip()


def words(sentence: str) -> int:
    """Words of a sentence, where two Chinese characters count as one."""
    han = len(HAN.findall(sentence))
    rest = HAN.sub(" ", sentence)
    return (han + 1) // 2 + sum(any(c.isalnum() for c in word) for word in rest.split())


def columns(line: str) -> int:
    """The width of a line on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def breakable(line: str) -> bool:
    """Whether a line has a blank at which it could have been wrapped."""
    return " " in ITEM.sub("", line).strip()


def measure(root: Path, path: Path) -> bool:
    """Prints a page's line and what is wrong with it; whether nothing is."""
    text = (root / path).read_text(encoding="utf-8")
    found = [(words(s), s) for block in blocks(text) for s in sentences(plain(block))]
    found = [(count, s) for count, s in found if count > 0]
    wide = [number for number, line in prose(text) if columns(line) > COLUMNS and breakable(line)]
    mean = sum(count for count, _ in found) / max(len(found), 1)
    longest, worst = max(found, default=(0, ""))
    print(f"{path!s:44} {len(found):5} {mean:6.1f} {longest:8} {len(wide):5}")
    for number in wide[:3]:
        print(f"  {path}:{number}: wider than {COLUMNS} columns")
    if longest > LONGEST:
        print(f"  {path}: a sentence of {longest} words: {worst[:90]}...")
    if mean >= MEAN:
        print(f"  {path}: sentences of {mean:.1f} words on average, not under {MEAN:.0f}")
    return not wide and longest <= LONGEST and mean < MEAN


def pages(root: Path) -> list[Path]:
    """Every page that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [path for line in sorted(listed.splitlines()) if (root / (path := Path(line))).exists()]


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    print(f"{'page':44} {'sent.':>5} {'mean':>6} {'longest':>8} {'wide':>5}")
    results = [measure(root, page) for page in [Path(p) for p in sys.argv[1:]] or pages(root)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
