#!/bin/sh
# Format, lint and types.
set -eu
cd "$(dirname "$0")/.."
sh scripts/with-deps.sh biome check --error-on-warnings .
sh scripts/with-deps.sh tsc -p .
