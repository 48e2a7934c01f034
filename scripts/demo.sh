#!/bin/sh
# The demo: `npm run demo`, `npm run demo -- --check`, `npm run demo -- --check --json`.
set -eu
root=$(CDPATH= cd -- "$(dirname "$0")/.." && pwd -P)
. "$root/scripts/node.sh"
cuddle_node "$root"
. "$root/scripts/tools.sh"
cuddle_tools
exec "$CUDDLE_NODE" $CUDDLE_NODE_FLAGS "$root/scripts/demo.ts" "$@"
