import pino from 'pino'

/** Structured logging: `log.info({ pod: 'ns/name' }, 'started')`. Never pass a secret's value. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

/** A JSON-lines logger on standard error. @param level `debug` … `silent` */
export function createLogger(name: string, level: string = 'info'): Logger {
  return pino({ name, level, base: { name } }, pino.destination({ fd: 2, sync: true }))
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
