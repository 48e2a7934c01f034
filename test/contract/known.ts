import assert from 'node:assert/strict'
import type { Difference } from './compare.ts'

export interface KnownDifference {
  /** Name of the cases, as a whole or a pattern. */
  in: string | RegExp
  /** Pattern of where, as a failure prints it: `METHOD path body.field`. */
  at: RegExp
  why: string
}

/** A table of what may differ, and how often it did. */
export class KnownDifferences {
  readonly #table: readonly KnownDifference[]
  readonly #used = new Map<KnownDifference, number>()

  constructor(table: readonly KnownDifference[]) {
    this.#table = table
  }

  has(name: string, difference: Difference): boolean {
    return this.#find(name, difference) !== undefined
  }

  /** Those of the differences that stand in no table; the others are counted. */
  news(name: string, found: readonly Difference[]): Difference[] {
    return found.filter((difference) => {
      const known = this.#find(name, difference)
      if (known) this.#used.set(known, (this.#used.get(known) ?? 0) + 1)
      return known === undefined
    })
  }

  /** Prints the table with counts; with `whole`, an entry that nothing showed is a failure. */
  report(suite: string, things: string, outcomes: readonly boolean[], whole: boolean): void {
    const same = outcomes.filter(Boolean).length
    const known = `${outcomes.length - same} but for known differences (${this.#table.length})`
    console.log(`${suite}: of ${outcomes.length} ${things} ${same} are the same on both, ${known}:`)
    for (const known of this.#table) {
      console.log(`  ${this.#used.get(known) ?? 0} × ${known.in}: ${known.why}`)
      const gone = whole && !this.#used.has(known)
      assert.ok(!gone, `a difference of the table shows no more, take it out: ${known.in} ${known.at}`)
    }
  }

  #find(name: string, { at }: Difference): KnownDifference | undefined {
    return this.#table.find(
      (known) => (typeof known.in === 'string' ? known.in === name : known.in.test(name)) && known.at.test(at),
    )
  }
}

/** An error for people: where it was thrown tells nothing. */
export function complaint(message: string): Error {
  const error = new Error(message)
  error.stack = message
  return error
}

/** Letters, digits and dashes, for names of namespaces. */
export function slug(name: string): string {
  const words = name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return words.slice(0, 24).replace(/^-|-$/g, '')
}
