#!/usr/bin/env bash
# Write requirements.txt: every package of the tested set (constraints.txt) with the SHA-256 of each of its files.
#
#   scripts/make_requirements.sh                     then: pip install --require-hashes -r requirements.txt
#
# Needs `uv` (pip install uv). No index's address is written into the file.
set -euo pipefail
cd "$(dirname "$0")/.."

uv pip compile --quiet pyproject.toml --extra quickstart --extra postgres --constraint constraints.txt --universal \
    --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --output-file requirements.new

{
    echo "# Made by scripts/make_requirements.sh; do not edit. Install: pip install --require-hashes -r requirements.txt"
    cat requirements.new
} >requirements.txt
rm requirements.new
if grep -n '://' requirements.txt; then
    echo "requirements.txt names a host; it must not" >&2
    exit 1
fi
