"""Writes the licences of all Rust crates that the program is linked with: name, version, licence,
and the texts that the crates ship. Reads what cargo has fetched. A text that several crates share
is written once.
"""

import hashlib
import json
import pathlib
import subprocess

NAMES = ("license", "licence", "copying", "copyright", "notice", "unlicense")


def main() -> None:
    tree = "cargo tree --package lintel --edges normal --prefix none --format {p}".split()
    listed = subprocess.run(tree, check=True, capture_output=True, text=True).stdout
    linked = {line.split(" (")[0] for line in listed.splitlines()}
    meta = subprocess.run(
        ["cargo", "metadata", "--format-version", "1"], check=True, capture_output=True, text=True
    )
    texts: dict[str, tuple[str, list[str]]] = {}
    for package in sorted(
        json.loads(meta.stdout)["packages"], key=lambda p: (p["name"], p["version"])
    ):
        name = f"{package['name']} v{package['version']}"
        if name not in linked or package["source"] is None:
            continue
        print(f"{name}: {package['license'] or 'see its text'}")
        for path in sorted(pathlib.Path(package["manifest_path"]).parent.iterdir()):
            if path.is_file() and path.name.lower().startswith(NAMES):
                text = path.read_text(errors="replace").strip()
                key = hashlib.sha256(text.encode()).hexdigest()
                texts.setdefault(key, (text, []))[1].append(f"{name} ({path.name})")
    for text, users in texts.values():
        print("\n" + "=" * 80 + "\n" + ", ".join(users) + "\n" + "-" * 80 + "\n" + text)


main()
