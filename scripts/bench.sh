#!/bin/sh
# bench.sh NAME [--json]: runs bench/NAME.ts under the pinned Node; without a name it lists what there is.
set -eu
cd "$(dirname "$0")/.."
. scripts/node.sh
name=${1:-}
if [ -z "$name" ] || [ ! -f "bench/$name.ts" ]; then
  [ -z "$name" ] || echo "bench: there is no bench/$name.ts" >&2
  echo "usage: npm run bench -- NAME [--json]; names:" >&2
  for file in bench/*.ts; do
    [ -f "$file" ] && echo "  $(basename "$file" .ts)" >&2
  done
  [ -z "$name" ] && exit 0
  exit 64
fi
shift
cuddle_node "$PWD"
exec "$CUDDLE_NODE" $CUDDLE_NODE_FLAGS "bench/$name.ts" "$@"
