import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError, systemClock } from '#lib'
import { isOfHome, livePid, paths } from './home.ts'

/** Stops everything of a home: pods first and gracefully, then the platform. Returns false when nothing ran. */
export async function stop(home: string): Promise<boolean> {
  const { stopping, run } = paths(home)
  if (runningPids(home).length === 0) return false
  mkdirSync(run, { recursive: true })
  // The node agent stops its pods when it ends while this file is there; without it, pods outlive it.
  writeFileSync(stopping, '')
  await end(home)
  rmSync(stopping, { force: true })
  return true
}

/**
 * Ends the supervisor and its processes; pods live on unless `stopping` is there. Of a supervisor that was killed the
 * others are ended in its place, node first.
 */
export async function end(home: string): Promise<void> {
  const { supervisorPid, log } = paths(home)
  const supervisor = livePid(supervisorPid, home)
  if (supervisor !== undefined) {
    process.kill(supervisor, 'SIGTERM')
    await gone(supervisor, home, 'the supervisor', log)
  } else rmSync(supervisorPid, { force: true })
  for (const name of ['node', 'control']) {
    const pid = livePid(pidFile(home, name), home)
    if (pid === undefined) continue
    process.kill(pid, 'SIGTERM')
    await gone(pid, home, name, log)
  }
}

/** The processes of a home that run, of whatever supervisor. */
export function runningPids(home: string): number[] {
  return ['supervisor', 'control', 'node'].flatMap((name) => livePid(pidFile(home, name), home) ?? [])
}

function pidFile(home: string, name: string): string {
  return join(paths(home).run, `${name}.pid`)
}

async function gone(pid: number, home: string, what: string, log: string): Promise<void> {
  const deadline = systemClock.monotonic() + 60_000
  while (isOfHome(pid, home)) {
    if (systemClock.monotonic() > deadline)
      throw new CuddleError('not-stopped', `${what} (pid ${pid}) does not end`, { hint: `see ${log}` })
    await systemClock.sleep(10)
  }
}
