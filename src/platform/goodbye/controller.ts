import { EndpointSlice, type Kube, Pod } from '#kube'
import type { Clock, Logger } from '#lib'
import { type Controller, controller } from '#operator'
import { beamNodeLabel } from '../beam/nodes.ts'
import { App, type AppObject, labels } from '../kinds.ts'
import { farewell } from './farewell.ts'
import { leaving } from './leaving.ts'

/**
 * Sees BEAM nodes off, whoever told them to stop: a rollout, a scale-down, an eviction, `kubectl delete`. On any
 * Kubernetes: it watches pods and speaks to the nodes; the pods' preStop hooks wait for it.
 */
export function goodbyeController(options: {
  /** Goodbyes outlive the pass that begins them, and so the pass's own client. */
  kube: Kube
  clock: Clock
  log: Logger
  signal: AbortSignal
}): Controller<AppObject> {
  const { kube, clock, log, signal } = options
  /** Uid of the pod → its app. */
  const underWay = new Map<string, string>()
  const receiving = new Map<string, Set<Promise<unknown>>>()
  return controller(App, {
    name: 'cuddle-goodbye',
    watches: [
      {
        type: Pod,
        map: ({ metadata }) =>
          metadata.deletionTimestamp && metadata.labels?.[beamNodeLabel] === 'true'
            ? [{ name: metadata.labels[labels.app] }]
            : [],
      },
    ],
    reads: [EndpointSlice],
    rights: [{ apiGroups: [''], resources: ['pods'], verbs: ['patch'] }],
    filter: () => false,
  }).step('see off', (axn) => {
    const { lister } = axn
    const pods = lister.list(Pod, { namespace: axn.name, labels: { [beamNodeLabel]: 'true' } })
    const present = new Set(pods.map(({ metadata }) => metadata.uid))
    for (const [uid, app] of underWay) if (app === axn.name && !present.has(uid)) underWay.delete(uid)
    for (const pod of pods) {
      const leaver = leaving(pod)
      if (!leaver || underWay.has(leaver.uid)) continue
      underWay.set(leaver.uid, axn.name)
      void farewell({ kube, clock, log, lister, signal, receiving }, leaver)
    }
    return axn
  })
}
