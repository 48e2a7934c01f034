#!/bin/sh
# tools.sh: installs what a real node takes besides our own program (containerd, runc, CNI plugins, docker-registry, iptables) where we
# are root on Debian or Ubuntu, else names the command. Exit 69 when something is still missing.
set -u
missing=
# need PACKAGE FILE…: one of the files must be there.
need() {
  package=$1
  shift
  for file in "$@"; do [ -x "$file" ] && return 0; done
  missing="$missing $package"
}
need containerd /usr/bin/containerd /usr/local/bin/containerd
need runc /usr/sbin/runc /usr/bin/runc /usr/local/sbin/runc
need containernetworking-plugins /usr/lib/cni/bridge /opt/cni/bin/bridge
need docker-registry /usr/bin/docker-registry
need iptables /usr/sbin/iptables
need iproute2 /usr/sbin/ip /sbin/ip /bin/ip
need busybox-static /bin/busybox
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "kubernetes: installing$missing (once)" >&2
  {
    apt-get install -y -qq --no-install-recommends $missing ||
      { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; }
  } >/dev/null 2>&1 && exit 0
fi
echo "kubernetes: for a real node: apt-get install$missing" >&2
exit 69
