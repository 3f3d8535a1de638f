#!/usr/bin/env bash
# Write the software bill of materials (CycloneDX, JSON) of a release: every package of requirements.txt with its hashes.
#
#   scripts/make_sbom.sh [FILE]            default: dist/sbom.cdx.json
set -euo pipefail
cd "$(dirname "$0")/.."

output="${1:-dist/sbom.cdx.json}"
mkdir -p "$(dirname "$output")"
python -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml --mc-type application \
    --output-reproducible --of JSON -o "$output"
