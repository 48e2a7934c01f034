import type { Kube } from '#kube'
import type { Clock, Logger } from '#lib'
import { type Operator, startOperator } from '#operator'
import { type SchedulerOptions, schedulerController } from './controller.ts'

export { nodeMatches, untolerated } from './node-match.ts'
export { type SchedulerOptions, schedulerController }

/** Runs the scheduler on its own caches. To share caches with other controllers, start `schedulerController()` among them. */
export function startScheduler(options: {
  kube: Kube
  signal: AbortSignal
  clock: Clock
  log: Logger
  schedulerName?: string
}): Operator {
  const { kube, signal, clock, log } = options
  return startOperator({ kube, signal, clock, log, controllers: [schedulerController(options)] })
}
