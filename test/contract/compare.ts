import { isObject } from '#lib'
import type { Step } from './client.ts'

export interface Difference {
  /** What was asked, and where in the answer: `POST /api/v1/… body.metadata.labels`. */
  at: string
  real: unknown
  ours: unknown
}

/** Where two normalised conversations part. Once different things were asked, the rest is not compared. */
export function compare(real: readonly Step[], ours: readonly Step[]): Difference[] {
  const found: Difference[] = []
  for (let index = 0; index < Math.max(real.length, ours.length); index++) {
    const [theirs, mine] = [real[index], ours[index]]
    if (theirs?.asked !== mine?.asked) {
      found.push({ at: `step ${index + 1}`, real: theirs?.asked, ours: mine?.asked })
      break
    }
    found.push(...differ(theirs.said, mine.said, theirs.asked))
  }
  return found
}

/** Where two values part; `at` goes before every path. */
export function differ(real: unknown, ours: unknown, at: string): Difference[] {
  const found: Difference[] = []
  walk(real, ours, '', (path, a, b) => found.push({ at: `${at} ${path}`, real: a, ours: b }))
  return found
}

function walk(
  real: unknown,
  ours: unknown,
  path: string,
  report: (path: string, a: unknown, b: unknown) => void,
): void {
  if (isObject(real) && isObject(ours)) {
    for (const key of new Set([...Object.keys(real), ...Object.keys(ours)])) {
      walk(real[key], ours[key], path === '' ? key : `${path}.${key}`, report)
    }
    return
  }
  if (Array.isArray(real) && Array.isArray(ours)) {
    // Named things are the same thing wherever they stand.
    const named = [...real, ...ours].every((one) => isObject(one) && typeof one['name'] === 'string')
    if (named && real.length !== ours.length) {
      const byName = (list: any[]) => Object.fromEntries(list.map((one) => [one.name, one]))
      walk(byName(real), byName(ours), path, report)
      return
    }
  }
  if (Array.isArray(real) && Array.isArray(ours) && real.length === ours.length) {
    for (const [index, value] of real.entries()) walk(value, ours[index], `${path}[${index}]`, report)
    return
  }
  if (JSON.stringify(real) !== JSON.stringify(ours)) report(path, real, ours)
}

/** Characters of a value that are shown. */
const width = Number(process.env['CONTRACT_WIDTH'] ?? 400)

export function show({ at, real, ours }: Difference): string {
  const short = (value: unknown) => {
    const text = JSON.stringify(value) ?? 'nothing'
    return text.length > width ? `${text.slice(0, width)}…` : text
  }
  return `${at}\n    real ${short(real)}\n    ours ${short(ours)}`
}
