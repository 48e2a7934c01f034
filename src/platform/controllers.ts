import type { Layout } from '#image'
import type { Kube } from '#kube'
import type { Clock, Logger } from '#lib'
import type { Controller } from '#operator'
import { appController } from './app-controller.ts'
import { meshController } from './beam/controller.ts'
import { rotationController } from './beam/rotation.ts'
import { goodbyeController } from './goodbye/controller.ts'
import type { Ahead } from './hot-release/index.ts'
import type { SignalStore } from './signals/index.ts'

export interface ControllersOptions {
  /** For what outlives a pass, and so the pass's own client. */
  kube: Kube
  clock: Clock
  log: Logger
  signal: AbortSignal
  /** Where the images of releases are. */
  layout?: Layout
  /** What was looked at of running pods while a release was still being built. */
  ahead?: Ahead
  /** Where the numbers of running BEAM nodes are kept. */
  signals?: SignalStore
  /** Forgets what is kept of an app outside of the cluster. */
  onDestroyed?: (app: string) => Promise<void>
}

/** All of the platform's controllers. What they declare is what the platform may do in a cluster (platformManifest). */
export function platformControllers(options: ControllersOptions): Controller<any>[] {
  return [appController(options), meshController(options), rotationController(options), goodbyeController(options)]
}
