#!/bin/sh
# machine.sh HOME: the first process of the node's own namespaces (unshare --mount --net --pid). All that the node starts, mounts,
# links and filters lives in them and goes with this process. Writes its pid, as the machine outside counts, to HOME/machine.pid.
set -eu
home=$1
# /proc is still that of outside.
read -r pid _ </proc/self/stat
mount --make-rshared /
mount -t proc proc /proc
# What programs write at fixed places lands in HOME: sockets and network namespaces, containerd's and kubelet's state, the pods' logs.
for folder in run var/lib var/log; do
  mkdir -p "$home/$folder"
  mount --bind "$home/$folder" "/$folder"
done
# kubelet sets these for the whole machine unless it finds them so.
while read -r name value; do
  echo "$value" >"$home/run/sysctl-$(basename "$name")"
  [ ! -e "/proc/sys/$name" ] || mount --bind "$home/run/sysctl-$(basename "$name")" "/proc/sys/$name"
done <<SYSCTL
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SYSCTL
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo "$pid" >"$home/machine.new"
mv "$home/machine.new" "$home/machine.pid"
trap 'exit 0' TERM
# Waiting also reaps the orphans that come to the first process.
while :; do
  sleep 86400 &
  wait $! || true
done
