#!/usr/bin/env bash
# Build what a release consists of: wheel, sdist, software bill of materials, and the hashes of all three.
#
#   scripts/make_release.sh [DIR]          default: dist
#   BUILD=--no-isolation                   build with what is installed here, without the network
set -euo pipefail
cd "$(dirname "$0")/.."

output="${1:-dist}"
mkdir -p "$output"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}"
export SOURCE_DATE_EPOCH
python -m build ${BUILD:+"$BUILD"} --outdir "$output" .
scripts/make_sbom.sh "$output/sbom.cdx.json"
cd "$output"
rm -f .gitignore
sha256sum -- *.whl *.tar.gz sbom.cdx.json > SHA256SUMS
sha256sum --check --strict --quiet SHA256SUMS
