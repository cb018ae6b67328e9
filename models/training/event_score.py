"""Event recall and false events per hour: `lintel replay` against a truth.

    python event_score.py --lintel ../../target/release/lintel runs/events/clip0 runs/events/clip1

Reads folders with clip.mp4, lintel.toml (one camera, "mast") and truth.json, and prints a table by
class. An event matches a truth of its class if it opens within the truth's time or GRACE seconds
after it. Each truth matches one event; further events of the same object count as false.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import Counter
from datetime import datetime
from pathlib import Path

GRACE = 20.0  # seconds
START = "2026-01-01T00:00:00Z"


def replayed(program: Path, folder: Path) -> list[tuple[float, str]]:
    """(seconds of footage, class) of all opened events."""
    command = [
        program,
        "replay",
        "--config",
        folder / "lintel.toml",
        "--camera",
        f"mast={folder / 'clip.mp4'}",
        "--start",
        START,
    ]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    begin = datetime.fromisoformat(START.replace("Z", "+00:00"))
    found = []
    for message in map(json.loads, lines):
        if message.get("type") == "cn.lintel.violation.opened":
            at = datetime.fromisoformat(message["data"]["at"].replace("Z", "+00:00"))
            found.append(((at - begin).total_seconds(), message["data"]["class"]["id"]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores events against a truth.")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--lintel", type=Path, required=True)
    args = parser.parse_args()
    there, hit, false, seconds = Counter(), Counter(), Counter(), 0.0
    for folder in args.folders:
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        seconds += truth["seconds"]
        free = list(truth["events"])
        there.update(e["class"] for e in free)
        for at, name in replayed(args.lintel, folder):
            match = next(
                (e for e in free if e["class"] == name and e["from"] - 2 <= at <= e["to"] + GRACE),
                None,
            )
            if match:
                free.remove(match)
                hit[name] += 1
            else:
                false[name] += 1
    print(
        f"| class | events | found | recall | false events an hour ({seconds / 3600:.2f} h) |"
        "\n|---|---|---|---|---|"
    )
    for name in sorted(there | false):
        recall = f"{hit[name] / there[name]:.2f}" if there[name] else "-"
        print(
            f"| {name} | {there[name]} | {hit[name]} | {recall} "
            f"| {false[name] / seconds * 3600:.1f} |"
        )


if __name__ == "__main__":
    main()
