import { CuddleError } from '#lib'

/** Bytes that are no term, or more of one than the limits allow. */
export class DecodeError extends CuddleError {
  /** Where in the input. */
  readonly offset: number

  constructor(message: string, offset: number) {
    super('bad-term', `${message} (at byte ${offset})`)
    this.name = 'DecodeError'
    this.offset = offset
  }
}

/** A value that has no place in an Erlang term. */
export class EncodeError extends CuddleError {
  constructor(message: string, hint?: string) {
    super('bad-term', message, hint === undefined ? {} : { hint })
    this.name = 'EncodeError'
  }
}
