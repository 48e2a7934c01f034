import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CuddleError, createLogger, errorMessage, type Logger, systemClock, writeFileAtomic } from '#lib'
import { defaultConfig, type HomeConfig, paths, readConfig } from './home.ts'
import { giveBackMemory } from './trim.ts'

export interface Daemon {
  home: string
  config: HomeConfig
  log: Logger
  /** What pods, builds and git may see of the machine: where programs are, and the language. */
  hostEnv: Record<string, string>
  signal: AbortSignal
}

/** For the supervisor: starting again would change nothing. */
const unusable = 78

/**
 * The frame of the two daemons: reads --home, runs `start` until SIGTERM, closes in order. `ready` files tell `cuddle up`.
 * A CuddleError at the start ends the process with 78.
 */
export async function daemon(name: string, start: (daemon: Daemon) => Promise<() => Promise<void>>): Promise<void> {
  const { values } = parseArgs({ options: { home: { type: 'string' } } })
  const home = values.home!
  const { env } = process
  const log = createLogger(name, env.CUDDLE_LOG ?? 'info')
  const stop = new AbortController()
  const stopped = new Promise<void>((resolve) => {
    for (const event of ['SIGTERM', 'SIGINT'] as const) process.once(event, () => resolve())
  })
  const hostEnv: Record<string, string> = {}
  for (const key of ['PATH', 'LANG', 'LC_ALL', 'TMPDIR']) if (env[key]) hostEnv[key] = env[key]
  process.on('unhandledRejection', (error) =>
    log.error({ error: error instanceof Error ? error.stack : String(error) }, 'unhandled rejection'),
  )
  try {
    const close = await start({ home, config: readConfig(home) ?? defaultConfig, log, hostEnv, signal: stop.signal })
    writeFileAtomic(join(paths(home).run, `${name}.ready`), String(process.pid))
    giveBackMemory(systemClock, stop.signal)
    await stopped
    stop.abort()
    await close()
    process.exit(0)
  } catch (error) {
    const hopeless = error instanceof CuddleError
    log.error(
      { error: hopeless ? errorMessage(error) : error instanceof Error ? error.stack : String(error) },
      'cannot start',
    )
    if (hopeless) {
      const { code, message, hint } = error
      writeFileAtomic(join(paths(home).run, `${name}.failed`), JSON.stringify({ code, message, hint }))
    }
    process.exit(hopeless ? unusable : 1)
  }
}
