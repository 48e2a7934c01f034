import { writeSync } from 'node:fs'

/** Structured logging: `log.info({ pod: 'ns/name' }, 'started')`. Never pass a secret's value. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

const levels = ['debug', 'info', 'warn', 'error'] as const

/**
 * A JSON-lines logger: `{"time":…,"level":"info","name":"control",…fields,"msg":…}`, written at once, so that the last words
 * of a dying process are there. It never throws: a line that cannot be written (full disk, reader gone) is lost.
 *
 * @param level `debug`, `info`, `warn`, `error` or `silent`; other words mean `info`
 * @param fd where to; standard error unless told
 */
export function createLogger(name: string, level: string = 'info', fd = 2): Logger {
  const known = level === 'silent' ? levels.length : levels.indexOf(level as (typeof levels)[number])
  const least = known < 0 ? levels.indexOf('info') : known
  const withFields = (bound: object): Logger => {
    const writer = (index: number) => (fields: object, message: string) => {
      if (index < least) return
      const head = { time: new Date().toISOString(), level: levels[index], name }
      try {
        writeSync(fd, `${line({ ...head, ...bound, ...fields, msg: message })}\n`)
      } catch {}
    }
    const [debug, info, warn, error] = levels.map((_, index) => writer(index))
    return { debug, info, warn, error, child: (fields) => withFields({ ...bound, ...fields }) }
  }
  return withFields({})
}

function line(record: object): string {
  return JSON.stringify(record, (_, value) => {
    if (value instanceof Error) return value.stack ?? value.message
    return typeof value === 'bigint' ? String(value) : value
  })
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
