import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { CuddleError, systemClock } from '#lib'
import { livePid, paths } from './home.ts'

/** Stops everything of a home: pods first and gracefully, then the platform. Returns false when nothing ran. */
export async function stop(home: string): Promise<boolean> {
  const { supervisorPid, stopping, run } = paths(home)
  const pid = livePid(supervisorPid, home)
  if (pid === undefined) return false
  mkdirSync(run, { recursive: true })
  // The node agent stops its pods when it ends while this file is there; without it, pods outlive it.
  writeFileSync(stopping, '')
  process.kill(pid, 'SIGTERM')
  const deadline = systemClock.monotonic() + 60_000
  while (livePid(supervisorPid, home) !== undefined) {
    if (systemClock.monotonic() > deadline)
      throw new CuddleError('not-stopped', `the supervisor (pid ${pid}) does not end`, {
        hint: `see ${paths(home).log}`,
      })
    await systemClock.sleep(20)
  }
  rmSync(stopping, { force: true })
  return true
}
