#!/bin/sh
# supervise.sh NODE ROOT HOME: keeps the two processes of a home alive, control (API, controllers, platform) and node (agent,
# router). Each is restarted with growing pauses when it dies; SIGTERM ends node first, then control. A shell, because a third
# Node would cost more memory than all it would do.
set -u
node=$1 root=$2 home=$3
run=$home/run
# A small young generation, and gc() for src/cli/trim.ts: memory. No symbolic links to follow in a checkout: start-up.
flags="--disable-warning=ExperimentalWarning --max-semi-space-size=2 --expose-gc --preserve-symlinks --preserve-symlinks-main"

# From here on the loops of a supervisor that was killed restart nothing.
echo $$ >"$run/supervisor.pid"
# Its processes hold the ports and the store: they are ended, pods go on.
for name in node control; do
  old=$(cat "$run/$name.pid" 2>/dev/null) || continue
  if tr '\0' ' ' <"/proc/$old/cmdline" 2>/dev/null | grep -qF -- "--home $home"; then
    kill -TERM "$old" 2>/dev/null
    n=0
    while kill -0 "$old" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
    kill -KILL "$old" 2>/dev/null
  fi
done

keep() {
  name=$1 pause=0 child=
  trap 'ending=1; [ -n "$child" ] && kill -TERM "$child" 2>/dev/null' TERM
  ending=
  while [ -z "$ending" ]; do
    "$node" $flags "$root/src/cli/$name.ts" --home "$home" >>"$home/log/$name.log" 2>&1 &
    child=$!
    echo "$child" >"$run/$name.pid"
    wait "$child"; code=$?
    # A trapped signal interrupts wait: the child still ends.
    while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
    [ -n "$ending" ] && break
    # Whose supervisor was killed does not restart anything: the next `cuddle up` has begun anew. The file counts too,
    # because a killed process that nobody has waited for still looks alive.
    kill -0 $$ 2>/dev/null && [ "$(cat "$run/supervisor.pid" 2>/dev/null)" = $$ ] || break
    echo "$(date -u +%FT%TZ) $name ended with $code" >&2
    # 78: the configuration or the store cannot be used; trying again would change nothing.
    if [ "$code" -eq 78 ]; then
      kill -TERM $$
      break
    fi
    # One that was ready is started again at once; one that never was, after growing pauses.
    if [ "$(cat "$run/$name.ready" 2>/dev/null)" = "$child" ]; then pause=0; else pause=$((pause < 10 ? pause + 1 : 10)); fi
    [ $pause -gt 1 ] && sleep $((pause - 1))
  done
  [ "$(cat "$run/$name.pid" 2>/dev/null)" = "$child" ] && rm -f "$run/$name.pid"
}

agent= stopping=
trap 'stopping=1; [ -z "$agent" ] || { kill -TERM "$agent" 2>/dev/null; wait "$agent"; }; kill -TERM "$control" 2>/dev/null' TERM INT HUP
keep control & control=$!
# The API is what everyone waits for, the node too: on two cores it answers a fifth sooner when node is not loading beside it.
sleep 0.12
if [ -z "$stopping" ]; then
  keep node & agent=$!
  wait "$agent"
fi
wait "$control"
while kill -0 "$control" 2>/dev/null; do wait "$control"; done
[ "$(cat "$run/supervisor.pid" 2>/dev/null)" = $$ ] && rm -f "$run/supervisor.pid"
exit 0
