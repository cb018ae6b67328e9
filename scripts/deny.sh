#!/usr/bin/env bash
# Checks all dependencies by deny.toml: licences, sources, wildcards and known security advisories. The advisories come from
# a database on GitHub. Where it cannot be reached, a copy from an earlier run serves; without one this check is left out,
# and the last line says so.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.cache/python/bin:$PATH"

cargo deny --log-level error check bans licenses sources
if cargo deny --log-level off fetch db >/dev/null 2>&1; then
  cargo deny --log-level error check --disable-fetch advisories
elif compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-db*/*/crates" >/dev/null; then
  echo "advisories: database not reachable, checked with the copy of an earlier run"
  cargo deny --log-level error check --disable-fetch advisories
else
  echo "advisories: database not reachable, not checked"
fi
