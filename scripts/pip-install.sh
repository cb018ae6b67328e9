#!/usr/bin/env bash
# Installs pinned Python packages into a virtual environment; does nothing where exactly these are installed:
#   scripts/pip-install.sh WHO FOLDER PACKAGE==VERSION...
# WHO is the prefix of the message.
set -euo pipefail
who=$1 folder=$2
shift 2
[ "$(cat "$folder/wanted" 2>/dev/null)" != "$*" ] || exit 0
echo "$who: installing $* into $folder" >&2
python3 -m venv "$folder"
"$folder/bin/python" -m pip install -q "$@"
echo "$*" >"$folder/wanted"
