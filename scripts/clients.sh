#!/bin/sh
# clients.sh NAME: makes one of the Kubernetes clients of test/clients ready and prints where it is. Exit 69, with the reason on
# stderr, where this machine cannot have it.
#   kubectl         the machine's own            kubectl-debian  Debian's, which is old, unpacked beside whatever is installed
#   kubectl-go      the newest, from source      informer, manager  the programs of test/clients/go
#   python, ruby    interpreters that have the client library of Debian
#   node            the entry of @kubernetes/client-node, kept out of our own dependencies
set -eu
root=$(CDPATH= cd -- "$(dirname "$0")/.." && pwd -P)
cache=$root/.cache/clients
client_node=2.0.1

fail() {
  echo "$1" >&2
  exit 69
}

apt() {
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
  "$@" >/dev/null 2>&1 || { apt-get update -qq && "$@"; } >/dev/null 2>&1
}

# package PACKAGE CHECK…: installs a Debian package unless CHECK succeeds.
package() {
  name=$1
  shift
  "$@" >/dev/null 2>&1 && return 0
  apt apt-get install -y -qq --no-install-recommends "$name" && "$@" >/dev/null 2>&1 && return 0
  fail "needs the Debian package $name: apt-get install $name"
}

download_kubectl() {
  cd "$1" && apt-get download -qq kubernetes-client && dpkg-deb -x kubernetes-client_*.deb . && mv usr/bin/kubectl .
}

go_program() {
  key=$(cd "$root/test/clients/go" && cat go.mod go.sum */*.go "$root/scripts/clients.sh" | cksum | cut -d ' ' -f 1)
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/cuddle/clients
  if [ ! -x "$folder/$key/$1" ]; then
    command -v go >/dev/null 2>&1 || fail "needs Go to build test/clients/go"
    echo "clients: building test/clients/go, which takes some minutes the first time" >&2
    rm -rf "$folder"
    mkdir -p "$folder/$key.new"
    # -trimpath as test/kubernetes/build.sh has it: both then share what is compiled.
    (
      cd "$root/test/clients/go"
      v=k8s.io/component-base/version
      minor=$(sed -n 's,^.*k8s.io/kubectl v0\.\([0-9]*\)\..*,\1,p' go.mod)
      nice -n 19 go build -trimpath -o "$folder/$key.new/" \
        -ldflags "-s -w -X $v.gitVersion=v1.$minor.0 -X $v.gitMajor=1 -X $v.gitMinor=$minor" ./...
    ) >&2 || fail "go build failed"
    mv "$folder/$key.new" "$folder/$key"
  fi
  echo "$folder/$key/$1"
}

case ${1:-} in
  kubectl) command -v kubectl || fail "needs kubectl: apt-get install kubernetes-client" ;;
  kubectl-debian)
    if [ ! -x "$cache/debian/kubectl" ]; then
      rm -rf "$cache/debian"
      mkdir -p "$cache/debian"
      apt download_kubectl "$cache/debian" || fail "needs root on Debian 12 to download its package kubernetes-client"
    fi
    echo "$cache/debian/kubectl"
    ;;
  kubectl-go) go_program kubectl ;;
  informer | manager) go_program "$1" ;;
  # By path: another python3 or ruby on PATH does not see Debian's libraries.
  python)
    package python3-kubernetes /usr/bin/python3 -c 'import kubernetes'
    echo /usr/bin/python3
    ;;
  ruby)
    package ruby-kubeclient /usr/bin/ruby -e 'require "kubeclient"'
    echo /usr/bin/ruby
    ;;
  node)
    entry=$cache/node/node_modules/@kubernetes/client-node
    if ! grep -qs "\"version\": \"$client_node\"" "$entry/package.json"; then
      command -v npm >/dev/null 2>&1 || fail "needs npm"
      mkdir -p "$cache/node"
      npm install --prefix "$cache/node" --no-save --no-package-lock --no-audit --no-fund --loglevel=error \
        "@kubernetes/client-node@$client_node" >&2 || fail "npm could not install @kubernetes/client-node"
    fi
    echo "$entry/dist/index.js"
    ;;
  *) fail "usage: clients.sh kubectl|kubectl-debian|kubectl-go|informer|manager|python|ruby|node" ;;
esac
