import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError, shortHash } from '#lib'

/**
 * The parent of every container: a POSIX sh of about 1 MB that outlives the agent. It appends the app's output to files
 * (no pipe, so nobody's death can fill or close it), and leaves the exit code in a file.
 *
 *   $1 attempt directory   $2 cgroup.procs files, space-separated   $3… the command
 *
 * - The app runs in the foreground of sh: in the background POSIX would have SIGINT and SIGQUIT ignored.
 * - `:` traps are reset to the default in the child, an ignored signal would be inherited.
 * - Reading /proc/self/stat in the subshell gives the pid and start time that the app keeps through exec.
 * - `set -C` makes the pid file a claim: it is created once, so that an agent that gave up on a start (see voidAttempt)
 *   and a shim that comes late never both win.
 * - An attempt with a FIFO named `stdin` reads from there; tail(1) keeps it open while nobody is attached.
 * - setsid gives the app its own session and group: a kill of the group spares the shim, which reports.
 */
const script = `trap : TERM INT HUP QUIT
dir=$1 groups=$2
shift 2
input=/dev/null
if [ -p "$dir/stdin" ]; then
  input=$dir/stdin
  tail -f /dev/null >"$input" &
  echo $! >"$dir/stdin-holder"
fi
(
  set -C
  read -r stat </proc/self/stat
  echo "$stat" >"$dir/pid" || exit 125
  for file in $groups; do echo 0 >|"$file"; done 2>/dev/null
  exec setsid "$@" >>"$dir/stdout" 2>>"$dir/stderr"
) <"$input"
code=$?
echo $code >"$dir/exit"
[ "$input" = /dev/null ] || kill $!
`

/** Writes the shim once per version; a running sh reads its script as it goes, so a file is never rewritten. */
export function installShim(directory: string): string {
  const path = join(directory, `shim-${shortHash(script)}.sh`)
  if (existsSync(path)) return path
  mkdirSync(directory, { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, script)
  renameSync(temporary, path)
  return path
}

/** Whether a process is the shim of this attempt (of any, when none is given). */
export function isShim(pid: number, directory?: string): boolean {
  let line: string
  try {
    line = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return false
  }
  return /^\/bin\/sh\0[^\0]*\/shim-[a-z0-9]+\.sh\0/.test(line) && (!directory || line.includes(`\0${directory}\0`))
}

export interface ShimOptions {
  shim: string
  /** The attempt's directory; exists and is empty. */
  directory: string
  command: readonly string[]
  /** The whole environment. */
  env: Record<string, string>
  cwd: string
  cgroupFiles: readonly string[]
  /** The shim ended (only while this process is its parent). */
  onEnd: () => void
}

/** Starts a container's shim. Rejects with StartError when the kernel refuses (argument list too long, no memory …). */
export function startShim(options: ShimOptions): Promise<number> {
  const { shim, directory, command, env, cwd } = options
  // dash drops variables whose names are no shell identifiers (`my.key`), which Kubernetes allows: env(1) puts them back.
  const strange = Object.entries(env).filter(([name]) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
  const wrapped =
    strange.length === 0 ? command : ['env', ...strange.map(([name, value]) => `${name}=${value}`), ...command]
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) =>
      reject(new CuddleError('StartError', `cannot start ${command[0]}: ${error.message}`, { cause: error }))
    try {
      const child = spawn('/bin/sh', [shim, directory, options.cgroupFiles.join(' '), ...wrapped], {
        cwd,
        env,
        detached: true,
        stdio: 'ignore',
      })
      child.once('error', refuse)
      child.once('exit', options.onEnd)
      child.once('spawn', () => resolve(child.pid!))
      child.unref()
    } catch (error) {
      refuse(error as Error)
    }
  })
}
