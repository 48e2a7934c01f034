#!/bin/sh
# generate.sh VERSION (1.36.3): writes go.mod and go.sum for that Kubernetes. The module k8s.io/kubernetes names its staging modules
# by paths of its own tree, so whoever imports it says which published versions they are: v1.X.Y lies beside v0.X.Y.
set -eu
cd "$(dirname "$0")"
version=$1
staging=v0.${version#1.}
rm -f go.mod go.sum
go mod init cuddle.dev/test/kubernetes
origin=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)",*/\1/p')
for module in $(sed -n 's,^[[:space:]]*\(k8s.io/[a-z0-9-]*\) => ./staging/.*,\1,p' "$origin"); do
  go mod edit -replace "$module=$module@$staging"
done
go mod edit -require "k8s.io/kubernetes@v$version"
# Of etcd the version whose client Kubernetes has.
etcd=$(sed -n 's,^[[:space:]]*go.etcd.io/etcd/client/v3 \(v[0-9.]*\).*,\1,p' "$origin")
go mod edit -require "go.etcd.io/etcd/server/v3@$etcd"
go mod tidy
