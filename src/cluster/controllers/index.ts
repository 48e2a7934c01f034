import type { Clock } from '#lib'
import type { Controller } from '#operator'
import { deploymentController } from './deployment/controller.ts'
import { endpointsController } from './endpoints/controller.ts'
import { replicaSetController } from './replicaset/controller.ts'

export interface ClusterControllersOptions {
  clock: Clock
}

/** What kube-controller-manager does, as controllers of one operator: start them together, so that they share caches. */
export function clusterControllers(options: ClusterControllersOptions): Controller<any>[] {
  return [deploymentController(options), replicaSetController(options), endpointsController()]
}
