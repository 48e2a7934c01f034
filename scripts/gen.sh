#!/bin/sh
# gen.sh OPENAPI_V3.json SWAGGER.json: writes everything under generated/ anew from the official Kubernetes OpenAPI documents.
set -eu
[ $# -eq 2 ] || { echo "usage: gen.sh OPENAPI_V3.json SWAGGER.json" >&2; exit 64; }
root=$(CDPATH= cd -- "$(dirname "$0")/.." && pwd -P)
. "$root/scripts/node.sh"
cuddle_node "$root"
"$CUDDLE_NODE" "$root/scripts/gen-types.ts" "$1"
"$CUDDLE_NODE" "$root/scripts/gen-schema.ts" "$1" "$2"
"$CUDDLE_NODE" "$root/scripts/gen-prose.ts" "$1" "$2"
"$CUDDLE_NODE" "$root/scripts/gen-crds.ts"
