import type { Change, ObjectDiff } from './diff.ts'

const signs = { create: '+', update: '~', delete: '-' } as const
const colours = { create: 32, update: 33, delete: 31 } as const
const maxValue = 120

/** The diff for people: one line an object, one line a change, and at the end what it does to what runs. */
export function renderDiff(diff: readonly ObjectDiff[], { colour = false }: { colour?: boolean } = {}): string {
  if (diff.length === 0) return 'no changes\n'
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  let text = ''
  for (const { action, kind, name, changes, restarts } of diff) {
    const note = restarts === undefined ? '' : paint(36, `  (${restarts} restarts)`)
    text += `${paint(colours[action], `${signs[action]} ${kind} ${name}`)}${note}\n`
    for (const change of changes) text += `    ${line(change)}\n`
  }
  return `${text}\n${summary(diff)}\n`
}

function line({ path, before, after }: Change): string {
  if (before === undefined) return `${path}: + ${value(after)}`
  if (after === undefined) return `${path}: - ${value(before)}`
  const [left, right] = [value(before), value(after)]
  return left === right ? `${path}: ${left} changed` : `${path}: ${left} → ${right}`
}

/** On one line, and no control character reaches the terminal. */
function value(value: unknown): string {
  const plain = typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)
  const text = plain ? value : JSON.stringify(value).replace(/[\x7f-\x9f]/g, '\ufffd')
  return text.length > maxValue ? `${text.slice(0, maxValue - 1)}…` : text
}

function summary(diff: readonly ObjectDiff[]): string {
  const count = (action: ObjectDiff['action']) => diff.filter((entry) => entry.action === action).length
  const restarts = diff.flatMap((entry) => entry.restarts ?? [])
  const effect =
    restarts.length > 0 ? `${restarts.join(', ')} restart${restarts.length === 1 ? 's' : ''}` : 'nothing restarts'
  return `${count('create')} to create, ${count('update')} to change, ${count('delete')} to delete; ${effect}`
}
