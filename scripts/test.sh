#!/bin/sh
# test.sh [FILES…]: check, then every test (or the named files). With files, only those are run.
set -eu
cd "$(dirname "$0")/.."
. scripts/node.sh
cuddle_node "$PWD"
if [ $# -eq 0 ]; then
  sh scripts/check.sh
  set -- 'src/**/*.test.ts' 'test/*.test.ts'
fi
exec "$CUDDLE_NODE" $CUDDLE_NODE_FLAGS --test --test-concurrency=2 --test-timeout=120000 --test-reporter=./scripts/reporter.ts --test-reporter-destination=stdout "$@"
