#!/bin/sh
# build.sh: builds a whole Kubernetes with etcd as one program (about a quarter of an hour cold on two
# cores, once), keeps it in the user's cache, and prints where it is. With --cached it only looks. Exit 69 when it is not there and
# cannot be made: this machine has no Go.
set -eu
cd "$(dirname "$0")"
version=$(sed -n 's,^.*[[:space:]]k8s.io/kubernetes v,,p;s,^require k8s.io/kubernetes v,,p' go.mod | head -n 1)
key=$(cat go.mod go.sum main.go | cksum | cut -d ' ' -f 1)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/cuddle/kubernetes-$version
binary=$folder/kubernetes-$key
if [ "${1:-}" = --cached ]; then
  [ -x "$binary" ] || exit 69
  echo "$binary"
  exit 0
fi
if [ ! -x "$binary" ]; then
  command -v go >/dev/null 2>&1 || { echo "kubernetes: there is no Go to build Kubernetes $version with" >&2; exit 69; }
  echo "kubernetes: building Kubernetes $version, which takes about 15 minutes the first time" >&2
  mkdir -p "$folder"
  v=k8s.io/component-base/version
  minor=${version#*.}
  trap 'rm -f "$binary.$$"' EXIT
  # At the lowest priority: nothing waits for more than this, and much else may run beside it.
  nice -n 19 go build -trimpath -o "$binary.$$" -ldflags "-s -w -X $v.gitVersion=v$version -X $v.gitMajor=${version%%.*} \
-X $v.gitMinor=${minor%%.*} -X $v.gitTreeState=clean -X $v.gitCommit=v$version" .
  find "$folder" -type f -name 'kubernetes-*' -not -name '*.*' -exec rm -f {} +
  mv "$binary.$$" "$binary"
fi
echo "$binary"
