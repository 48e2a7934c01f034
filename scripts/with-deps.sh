#!/bin/sh
# with-deps.sh COMMAND ARGS…: runs a tool of node_modules/.bin under the pinned Node.
set -eu
root=$(CDPATH= cd -- "$(dirname "$0")/.." && pwd -P)
. "$root/scripts/node.sh"
cuddle_node "$root"
PATH=$root/node_modules/.bin:$(dirname "$CUDDLE_NODE"):$PATH
export PATH
exec "$@"
