import type { SignalServer, SignalServerOptions } from './server.ts'

export { checkMetricsFree, metricsRights, readerRole } from './register.ts'
export { type Mailbox, type PodSignals, SignalStore } from './store.ts'
export { watchSignals } from './watch.ts'
export type { SignalServer }

/** Serves what the store holds; loaded when it is started. */
export async function startSignalServer(options: SignalServerOptions): Promise<SignalServer> {
  const server = await import('./server.ts')
  return server.startSignalServer(options)
}
