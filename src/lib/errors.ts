export interface CuddleErrorInit {
  /** What to do next: a command or a change, as one line. */
  hint?: string
  cause?: unknown
  /** Several problems at once; each becomes a line of its own. */
  details?: readonly string[]
}

/**
 * An error that a person will read: a stable code for scripts, a message in lower case that names the object,
 * and what to do next. Bugs and lost infrastructure stay plain Errors.
 */
export class CuddleError extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly details: readonly string[]

  constructor(code: string, message: string, init: CuddleErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.name = 'CuddleError'
    this.code = code
    this.hint = init.hint
    this.details = init.details ?? []
  }
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
