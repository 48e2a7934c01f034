#!/bin/sh
# test.sh [FILES…]: check, then every test (or the named files). With files, only those are run.
set -eu
cd "$(dirname "$0")/.."
. scripts/node.sh
cuddle_node "$PWD"
# A file and each of its tests may take so long, in ms: those that start whole clusters take minutes on a busy machine.
limit=400000
if [ $# -eq 0 ]; then
  limit=180000
  sh scripts/check.sh
  set -- 'src/**/*.test.ts' 'test/*.test.ts'
fi
exec "$CUDDLE_NODE" $CUDDLE_NODE_FLAGS --test --test-concurrency=2 --test-timeout=$limit --test-reporter=./scripts/reporter.ts --test-reporter-destination=stdout "$@"
