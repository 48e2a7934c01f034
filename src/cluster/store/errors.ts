/** The store could not commit (disk full, I/O error): nothing of the write happened. */
export class StoreWriteError extends Error {
  /** True when there is no space left. */
  readonly full: boolean

  constructor(message: string, full: boolean, cause: unknown) {
    super(message, { cause })
    this.name = 'StoreWriteError'
    this.full = full
  }
}

/** The asked revision is older than the history that is kept; answered with 410 Expired. */
export class CompactedError extends Error {
  readonly asked: number
  readonly oldest: number

  constructor(asked: number, oldest: number) {
    super(`too old resource version: ${asked} (${oldest})`)
    this.name = 'CompactedError'
    this.asked = asked
    this.oldest = oldest
  }
}
