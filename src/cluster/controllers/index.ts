import type { Kube } from '#kube'
import type { Clock, Logger } from '#lib'
import { type Controller, type Operator, startOperator } from '#operator'
import { cronJobController } from './cronjob/controller.ts'
import { daemonSetController } from './daemonset/controller.ts'
import { deploymentController } from './deployment/controller.ts'
import { endpointsController } from './endpoints/controller.ts'
import { endpointsMirrorController } from './endpoints/mirror.ts'
import { type GarbageCollector, startGarbageCollector } from './gc/collector.ts'
import { autoscalerController } from './hpa/controller.ts'
import type { MetricsSource } from './hpa/metrics.ts'
import { ingressController } from './ingress/controller.ts'
import { jobController } from './job/controller.ts'
import { orphanedJobPodController } from './job/orphans.ts'
import { namespaceDefaultsController } from './namespace/defaults.ts'
import { namespaceController } from './namespace/termination.ts'
import { nodeLifecycleController } from './node/controller.ts'
import { podGarbageController } from './node/pod-gc.ts'
import { disruptionController } from './pdb/controller.ts'
import { replicaSetController } from './replicaset/controller.ts'
import { statefulSetController } from './statefulset/controller.ts'
import { volumeController } from './volume/controller.ts'
import { claimProtectionController, volumeProtectionController } from './volume/protection.ts'
import { volumePhaseController } from './volume/volumes.ts'

export { type GarbageCollector, startGarbageCollector }

export interface ClusterControllersOptions {
  clock: Clock
  /** The cluster's CA in PEM, published in every Namespace as ConfigMap kube-root-ca.crt; undefined = not published. */
  caCertificate?: string
  /** Where Ingresses are served. @default 127.0.0.1 */
  ingressAddress?: string
  /** Where autoscalers have their metrics from. @default the cluster's metrics APIs */
  metrics?: MetricsSource
  /** How often each autoscaler looks, ms. @default 3000 */
  autoscalerPeriodMs?: number
  /** Without a heartbeat for so long a node counts as lost, ms. @default 50000 */
  nodeGraceMs?: number
}

/** What kube-controller-manager does, as controllers of one operator: start them together, so that they share caches. */
export function clusterControllers(options: ClusterControllersOptions): Controller<any>[] {
  return [
    deploymentController(options),
    replicaSetController(options),
    statefulSetController(options),
    daemonSetController(options),
    endpointsController(),
    endpointsMirrorController(),
    jobController(options),
    orphanedJobPodController(),
    cronJobController(options),
    disruptionController(),
    autoscalerController(options),
    ingressController({ ip: options.ingressAddress }),
    namespaceController(),
    namespaceDefaultsController(options),
    nodeLifecycleController(options),
    podGarbageController(options),
    volumeController(),
    volumePhaseController(),
    claimProtectionController(),
    volumeProtectionController(),
  ]
}

/**
 * Starts everything of this folder, and further controllers beside it (the scheduler, the platform's own) on the same
 * caches. `ready` resolves when the controllers work; the garbage collector, whom nobody waits for, starts after that.
 */
export function startClusterControllers(
  options: ClusterControllersOptions & {
    kube: Kube
    signal: AbortSignal
    log: Logger
    also?: readonly Controller<any>[]
  },
): { operator: Operator; ready: Promise<void>; stopped: Promise<void> } {
  const { kube, signal, clock, log } = options
  const controllers = [...clusterControllers(options), ...(options.also ?? [])]
  const operator = startOperator({ kube, controllers, signal, clock, log })
  let collecting: Promise<void> | undefined
  void operator.ready.then(() => {
    const collectorLog = log.child({ controller: 'garbage-collector' })
    if (!signal.aborted) collecting = startGarbageCollector({ kube, signal, clock, log: collectorLog }).stopped
  })
  return { operator, ready: operator.ready, stopped: operator.stopped.then(() => collecting) }
}
