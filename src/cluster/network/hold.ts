import type { Context } from './context.ts'
import type { Service } from './endpoints.ts'

/**
 * Waits with a request until endpoints of its service change, for `ms` at most, and then calls `again`, once.
 * @returns how to wait no longer
 */
export function hold(context: Context, service: Service, ms: number, again: () => void): () => void {
  context.waiting++
  const over = () => {
    cancel()
    again()
  }
  const stop = context.clock.after(ms, over)
  service.waiters.add(over)
  const cancel = () => {
    context.waiting--
    stop()
    service.waiters.delete(over)
  }
  return cancel
}
