import type { TraceCounts, TraceEvent } from '#platform'

const shown = 10

/** How often the functions were called, the busiest first. */
export function countLines({ overMs, functions }: TraceCounts): string[] {
  const called = functions.filter((one) => one.calls > 0).sort((a, b) => b.calls - a.calls)
  if (called.length === 0) return [`not called in ${overMs} ms`]
  const lines = called.slice(0, shown).map(({ name, arity, calls }) => {
    const perSecond = Math.round((calls * 1000) / overMs)
    return `${name}/${arity}: ${calls} calls in ${overMs} ms, ${perSecond} a second`
  })
  return called.length > shown ? [...lines, `and ${called.length - shown} functions more`] : lines
}

/** One call, return or exception. */
export function callLine(event: TraceEvent, target: string): string {
  const module = target.replace(/[.:][^.:]*$/, '')
  const dot = target.includes(':') && !target.startsWith(':') ? ':' : '.'
  const name = `${module}${dot}${event.function}`
  const at = `${(event.atMs / 1000).toFixed(3).padStart(7)}s  ${event.process}  `
  if (event.kind === 'call') return `${at}${name}(${event.terms.join(', ')})`
  const what = event.kind === 'return' ? `-> ${event.terms[0]}` : `** (${event.terms[0]}) ${event.terms[1]}`
  return `${at}${name}/${event.arity} ${what}`
}

const ends: Record<string, (limits: { limit: number; maxPerSecond: number }) => string> = {
  events: ({ limit }) => `ended after ${limit} lines; --limit takes more`,
  time: () => 'ended: the time is over; --for takes more',
  stopped: () => 'stopped',
  counted: () => 'counted only',
  busy: ({ maxPerSecond }) => `counted only: more than ${maxPerSecond} calls a second; --rate takes more`,
  rate: ({ maxPerSecond }) => `ended: more than ${maxPerSecond} lines in a second; --rate takes more`,
  slow: () => 'ended: this connection is too slow for so many lines',
  memory: () => 'ended: the arguments are too large for the memory a trace may take on the node',
}

/** Why a trace is over. */
export function endLine(end: string, limits: { limit: number; maxPerSecond: number }): string {
  return ends[end]?.(limits) ?? `ended: ${end}`
}
