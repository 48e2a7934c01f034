import type { Mfa } from '../distribution/index.ts'
import { Atom, atom, elements, listOf, numberOf, type Term, textOf, tuple } from '../term/index.ts'

/*
 * Numbers that an app gives out itself: rows `{Name, Number}` of a named ETS table that others may read. No library, no
 * function of ours in the app, and nothing to do with its processes: reading never waits for any of them.
 */

export const publishedTable = 'cuddle_metrics'
/** Most numbers that are read, and most rows that the table may have: more would make reading dear. */
export const mostPublished = 100
const mostRows = 1000

/** Names as Prometheus wants them; `beam_` is ours. */
const nameRule = /^(?!beam_)[a-zA-Z_][a-zA-Z0-9_]{0,62}$/

export const tableSize: Mfa = ['ets', 'info', [atom(publishedTable), atom('size')]]

const pattern: Term = [
  tuple(tuple(atom('$1'), atom('$2')), [tuple(atom('is_number'), atom('$2'))], [tuple(tuple(atom('$1'), atom('$2')))]),
]

export const tableRows: Mfa = ['ets', 'select', [atom(publishedTable), pattern, mostPublished]]

/** Whether a table of this size (the answer to `tableSize`) is worth reading. */
export function isReadable(size: Term | undefined): boolean {
  const rows = size instanceof Atom ? undefined : numberOf(size)
  return rows !== undefined && rows > 0 && rows <= mostRows
}

/** The numbers in the answer to `tableRows`, by name; what breaks the rules is left out. */
export function publishedNumbers(answer: Term | undefined): Readonly<Record<string, number>> {
  const rows = listOf(elements(answer, 2)?.[0]) ?? []
  const numbers: Record<string, number> = {}
  for (const row of rows) {
    const [key, value] = elements(row, 2) ?? []
    const name = textOf(key)
    const number = numberOf(value)
    if (name !== undefined && nameRule.test(name) && number !== undefined && Number.isFinite(number)) {
      numbers[name] = number
    }
  }
  return numbers
}
