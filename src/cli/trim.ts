import { flushCompileCache } from 'node:module'
import type { Clock } from '#lib'

/** Node's `--expose-gc` with the options that V8 gives it. */
type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

const lookMs = 5_000
/** Less than this share of a core: nobody waits for a pause of some 50 ms. */
const idle = 0.02
/** Resident growth since the last collection that is worth another. */
const growth = 4 * 2 ** 20

/**
 * Gives memory back when the process is idle. Loading a daemon leaves a third of its heap as garbage, and V8 collects only when
 * something allocates, which an idle process does not. A `last-resort` collection also returns the freed pages to the system.
 */
export function giveBackMemory(clock: Clock, signal: AbortSignal): void {
  const { gc } = globalThis as { gc?: Collect }
  if (!gc) return
  let settled = 0
  let flushed = false
  let before = process.cpuUsage()
  const look = () => {
    const used = process.cpuUsage(before)
    before = process.cpuUsage()
    if ((used.user + used.system) / 1000 < lookMs * idle && process.memoryUsage.rss() > settled + growth) {
      // Kept now, not when the process ends: it may be killed, and would compile everything anew.
      if (!flushed) flushCompileCache()
      flushed = true
      gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
      settled = process.memoryUsage.rss()
      before = process.cpuUsage()
    }
    cancel = clock.after(lookMs, look)
  }
  let cancel = clock.after(lookMs, look)
  signal.addEventListener('abort', () => cancel(), { once: true })
}
